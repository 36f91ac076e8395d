//! sockpit
fn main() {}
