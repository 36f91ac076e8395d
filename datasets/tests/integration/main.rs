//! One integration binary; one file per part of the data.
mod analysis;
mod scripts;
mod signatures;
mod sock_shop;
mod suite;
