//! The request stream of a cell: Poisson arrivals with exponential demands, from a seed.

/// Parameters of the stream.
#[derive(Clone, Copy, Debug, clap::Args, serde::Serialize, serde::Deserialize)]
pub(crate) struct Stream {
    /// Requests per second.
    #[arg(long)]
    pub(crate) rate: f64,
    /// Mean CPU demand of a request in microseconds.
    #[arg(long)]
    pub(crate) demand_us: f64,
    /// Length of the stream.
    #[arg(long)]
    pub(crate) seconds: u64,
    /// Other arrivals and demands for another seed.
    #[arg(long)]
    pub(crate) seed: u64,
}

/// A request: when it arrives and the CPU time that it asks for, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) at: u64,
    pub(crate) demand: u64,
}

impl Stream {
    pub(crate) fn arrivals(&self) -> Vec<Arrival> {
        let mut state = self.seed;
        let mut exponential = |mean: f64| -mean * (1.0 - uniform(&mut state)).ln();
        let mut at = 0.0;
        let mut arrivals = Vec::new();
        loop {
            at += exponential(1e9 / self.rate);
            if at >= self.seconds as f64 * 1e9 {
                return arrivals;
            }
            arrivals.push(Arrival { at: at as u64, demand: exponential(self.demand_us * 1e3) as u64 });
        }
    }
}

/// In [0, 1), by splitmix64 (Steele, Lea and Flood 2014).
fn uniform(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}
