//! What queueing theory says about a [`Network`]: exact long-run means.
//!
//! Jackson ("Networks of waiting lines", Operations Research 5, 1957): each station of an open
//! network with Poisson arrivals and exponential times behaves in the long run as an M/M/c queue of
//! its own, at the arrival rate that the traffic equations give it.

use super::{Network, Station};

/// Jobs per second that come to each station, from outside and from the others: the solution of the
/// traffic equations, by iteration.
pub fn arrival_rates(network: &Network) -> Vec<f64> {
    let outside = |i: usize| network.stations[i].arrival_rate;
    let mut rates: Vec<_> = (0..network.stations.len()).map(outside).collect();
    loop {
        let next: Vec<f64> = (0..rates.len())
            .map(|to| {
                let inside = network.stations.iter().zip(&rates);
                outside(to) + inside.map(|(from, rate)| rate * from.routing[to]).sum::<f64>()
            })
            .collect();
        let change = rates.iter().zip(&next).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        rates = next;
        if change < 1e-13 {
            return rates;
        }
    }
}

/// Mean waiting time at each station, in seconds; infinite where more arrives than can be served.
pub fn mean_waits(network: &Network) -> Vec<f64> {
    let rates = arrival_rates(network);
    network.stations.iter().zip(rates).map(|(station, rate)| mean_wait(station, rate)).collect()
}

/// Mean waiting time over all visits to all stations, in seconds.
pub fn mean_wait_per_visit(network: &Network) -> f64 {
    let rates = arrival_rates(network);
    let waiting: f64 = mean_waits(network).iter().zip(&rates).map(|(wait, rate)| wait * rate).sum();
    waiting / rates.iter().sum::<f64>()
}

/// Visits per job that enters.
pub fn visits_per_job(network: &Network) -> f64 {
    let entering: f64 = network.stations.iter().map(|station| station.arrival_rate).sum();
    arrival_rates(network).iter().sum::<f64>() / entering
}

/// M/M/c: the probability of waiting over the rate at which the line drains.
fn mean_wait(station: &Station, arrival_rate: f64) -> f64 {
    let offered = arrival_rate * station.service_time;
    let servers = f64::from(station.servers);
    if offered >= servers {
        return f64::INFINITY;
    }
    erlang_c(station.servers, offered) * station.service_time / (servers - offered)
}

/// Probability that an arriving job finds all servers busy, at an offered load in erlangs (Erlang's
/// C formula, from his B formula by the usual recursion).
pub fn erlang_c(servers: u32, offered: f64) -> f64 {
    let blocking = (1..=servers).fold(1.0, |b, n| offered * b / (f64::from(n) + offered * b));
    let utilisation = offered / f64::from(servers);
    blocking / (1.0 - utilisation * (1.0 - blocking))
}

/// Probability that a job of M/M/1 waits longer than `t` service times.
pub fn mm1_wait_exceeds(load: f64, t: f64) -> f64 {
    load * (-(1.0 - load) * t).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn textbook_values() {
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12 * b.abs().max(1.0), "{a} {b}");
        near(mean_waits(&Network::single(1, 0.9))[0], 9.0);
        // Erlang C of 2 servers is 2 rho^2 / (1 + rho).
        near(erlang_c(2, 1.0), 1.0 / 3.0);
        near(mm1_wait_exceeds(0.7, 0.0), 0.7);
        assert_eq!(mean_waits(&Network::single(1, 1.0)), [f64::INFINITY]);
    }

    /// Every server of the benchmark's network is equally busy, and a job makes four visits, since
    /// each station lets a quarter of its jobs leave.
    #[test]
    fn twelve_is_balanced() {
        let network = Network::twelve(0.7);
        for (station, rate) in network.stations.iter().zip(arrival_rates(&network)) {
            assert!((station.service_time * rate - 0.7).abs() < 1e-12);
        }
        assert!((visits_per_job(&network) - 4.0).abs() < 1e-9);
    }
}
