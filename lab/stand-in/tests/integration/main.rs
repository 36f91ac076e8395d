//! Tests of the program as the lab runs it: processes that talk to each other over loopback.

mod bookshop;
mod input;
mod sock_shop;
mod troupe;
