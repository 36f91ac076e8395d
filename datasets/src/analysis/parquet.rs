//! Tables as Parquet files, written whole or not at all.

use std::fmt::Display;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use polars::prelude::{DataFrame, Schema};
use polars_io::parquet::write::BatchedWriter;
use polars_io::prelude::{ParquetReader, ParquetWriter, SerReader};
use sim::diagnostic::Diagnostics;

use crate::runs;

/// A file that is being written part by part.
pub(super) struct Writer {
    path: PathBuf,
    parts: BatchedWriter<File>,
}

impl Writer {
    /// Begins a file with these columns.
    pub(super) fn begin(path: &Path, schema: &Schema) -> Result<Self, Diagnostics> {
        runs::make_folder_of(path).map_err(|why| unwritten(path, &why))?;
        let file = File::create(runs::partial(path)).map_err(|why| unwritten(path, &why))?;
        let parts = ParquetWriter::new(file).batched(schema).map_err(|why| unwritten(path, &why))?;
        Ok(Self { path: path.to_owned(), parts })
    }

    /// Adds rows, as a row group of their own.
    pub(super) fn add(&mut self, rows: &DataFrame) -> Result<(), Diagnostics> {
        if rows.height() == 0 {
            return Ok(());
        }
        self.parts.write_batch(rows).map_err(|why| unwritten(&self.path, &why))
    }

    /// Ends the file, which is there from now on.
    pub(super) fn end(self) -> Result<(), Diagnostics> {
        let Self { path, parts } = self;
        parts.finish().map_err(|why| unwritten(&path, &why))?;
        drop(parts);
        fs::rename(runs::partial(&path), &path).map_err(|why| unwritten(&path, &why))
    }
}

/// Writes a table.
///
/// # Errors
/// The disk is full, or it may not be written there.
pub(super) fn write(path: &Path, table: &DataFrame) -> Result<(), Diagnostics> {
    let mut writer = Writer::begin(path, table.schema())?;
    writer.add(table)?;
    writer.end()
}

/// Reads some columns of a table, in the order of the file.
///
/// # Errors
/// It is not there, no Parquet file, or has no such columns.
pub(super) fn read(path: &Path, columns: Option<&[&str]>) -> Result<DataFrame, Diagnostics> {
    let unread =
        |why: &dyn Display| runs::mistake(path, format!("it cannot be read: {why}"), "take it away: it is made again");
    let file = File::open(path).map_err(|why| unread(&why))?;
    let columns = columns.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
    ParquetReader::new(file).with_columns(columns).set_rechunk(true).finish().map_err(|why| unread(&why))
}

fn unwritten(path: &Path, why: &dyn Display) -> Diagnostics {
    runs::mistake(path, format!("it cannot be written: {why}"), "free some space, or make the folder writable")
}
