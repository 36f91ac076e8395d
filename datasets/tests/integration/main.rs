//! One integration binary; one file per part of the data.
mod sock_shop;
