//! The rows of one target, in shared blocks.

use std::mem;
use std::sync::Arc;

/// Marks a value that a scrape did not find. A quiet NaN that no computation produces.
pub const ABSENT: f64 = f64::from_bits(0x7ff8_a5e7_0000_0001);

/// Prometheus' stale marker (`model/value/value.go`, `StaleNaN`).
pub const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// Is this exact NaN the stale marker?
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE.to_bits()
}

fn is_absent(value: f64) -> bool {
    value.to_bits() == ABSENT.to_bits()
}

fn is_alive(value: f64) -> bool {
    !is_absent(value) && !is_stale(value)
}

/// One value at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Milliseconds since the start of the world.
    pub t_ms: i64,
    /// The value; may be the [`STALE`] marker.
    pub value: f64,
}

/// Rows per block: small enough to copy after a fork, large enough that an hour at 15 s is 15 blocks.
const BLOCK_ROWS: usize = 16;

/// Rows one after the other. Rows may differ in width: a column that a row does not reach is absent.
#[derive(Clone, Debug, Default)]
struct Block {
    times: Vec<i64>,
    /// Where each row ends in `values`.
    ends: Vec<u32>,
    values: Vec<f64>,
}

impl Block {
    fn with_width(width: usize) -> Self {
        Self {
            times: Vec::with_capacity(BLOCK_ROWS),
            ends: Vec::with_capacity(BLOCK_ROWS),
            values: Vec::with_capacity(BLOCK_ROWS * width),
        }
    }

    fn start(&self, row: usize) -> usize {
        if row == 0 { 0 } else { self.ends[row - 1] as usize }
    }

    fn row(&self, row: usize) -> &[f64] {
        &self.values[self.start(row)..self.ends[row] as usize]
    }

    /// Adds a row and ends the series that were alive in the row before; for a block's first row
    /// that is `before`, the last row of the previous block.
    fn push(&mut self, t_ms: i64, values: &[f64], width: usize, before: &[f64]) {
        let rows = self.times.len();
        let start = self.values.len();
        let last_start = if rows == 0 { 0 } else { self.start(rows - 1) };
        self.values.extend_from_slice(values);
        self.values.resize(start + width, ABSENT);
        let (old, new) = self.values.split_at_mut(start);
        let last = if rows == 0 { before } else { &old[last_start..] };
        for (value, &previous) in new.iter_mut().zip(last) {
            if is_absent(*value) && is_alive(previous) {
                *value = STALE;
            }
        }
        self.times.push(t_ms);
        self.ends.push(self.values.len() as u32);
    }

    fn column(&self, column: usize, from_ms: i64, to_ms: i64) -> impl DoubleEndedIterator<Item = Sample> + '_ {
        let first = self.times.partition_point(|&t| t < from_ms);
        let end = self.times.partition_point(|&t| t <= to_ms);
        (first..end).filter_map(move |row| {
            let value = *self.row(row).get(column)?;
            (!is_absent(value)).then(|| Sample { t_ms: self.times[row], value })
        })
    }
}

/// All rows of a target: full blocks, which never change, and the head, which grows.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    full: Arc<Vec<Arc<Block>>>,
    head: Arc<Block>,
}

impl Rows {
    /// Adds a row of `width` columns; columns that `values` does not reach are absent.
    pub(super) fn append(&mut self, t_ms: i64, values: &[f64], width: usize) {
        let last = self.head.times.last();
        assert!(last.is_none_or(|&t| t < t_ms), "a target's row at {t_ms} ms is not later than its last row");
        let sealed = (self.head.times.len() == BLOCK_ROWS).then(|| {
            let block = mem::replace(&mut self.head, Arc::new(Block::with_width(width)));
            Arc::make_mut(&mut self.full).push(Arc::clone(&block));
            block
        });
        let before = sealed.as_ref().map_or(&[][..], |block| block.row(BLOCK_ROWS - 1));
        Arc::make_mut(&mut self.head).push(t_ms, values, width, before);
    }

    /// Does any series have a live sample in the last row?
    pub(super) fn any_alive(&self) -> bool {
        let rows = self.head.times.len();
        rows > 0 && self.head.row(rows - 1).iter().copied().any(is_alive)
    }

    /// The samples of a column, times between `from_ms` and `to_ms`, both included.
    pub(super) fn column(
        &self,
        column: usize,
        from_ms: i64,
        to_ms: i64,
    ) -> impl DoubleEndedIterator<Item = Sample> + '_ {
        let first = self.full.partition_point(|block| block.times.last().is_some_and(|&t| t < from_ms));
        let end = self.full.partition_point(|block| block.times.first().is_some_and(|&t| t <= to_ms)).max(first);
        let blocks = self.full[first..end].iter().chain([&self.head]);
        blocks.flat_map(move |block| block.column(column, from_ms, to_ms))
    }
}
