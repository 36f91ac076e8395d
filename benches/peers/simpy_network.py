"""An open queueing network in SimPy, as its documentation would write it: a process per job.

Reads {stations: [{arrival_rate, servers, service_time, onward}], seconds, seed} as JSON from
standard input, `onward` being the cumulative probabilities to go on to each station (empty: all
leave). Writes {events, wall_seconds, visits, mean_wait}. An event is an arrival from outside or the
end of a service. Run by the program `peers` of this crate.
"""

import json
import sys
import time
from bisect import bisect_right
from random import Random

import simpy


class Statistics:
    def __init__(self):
        self.events = 0
        self.visits = 0
        self.waited = 0.0
        self.squares = 0.0

    def record(self, wait):
        self.visits += 1
        self.waited += wait
        self.squares += wait * wait


def job(env, rng, stations, servers, at, statistics):
    while at < len(stations):
        since = env.now
        with servers[at].request() as request:
            yield request
            statistics.record(env.now - since)
            yield env.timeout(rng.expovariate(1.0 / stations[at]["service_time"]))
        statistics.events += 1
        onward = stations[at]["onward"]
        if not onward:
            return
        at = bisect_right(onward, rng.random())


def arrivals(env, rng, stations, servers, at, statistics):
    rate = stations[at]["arrival_rate"]
    while True:
        yield env.timeout(rng.expovariate(rate))
        statistics.events += 1
        env.process(job(env, rng, stations, servers, at, statistics))


def main():
    network = json.load(sys.stdin)
    stations = network["stations"]
    rng = Random(network["seed"])
    statistics = Statistics()
    start = time.perf_counter()
    env = simpy.Environment()
    servers = [simpy.Resource(env, capacity=station["servers"]) for station in stations]
    for at, station in enumerate(stations):
        if station["arrival_rate"] > 0:
            env.process(arrivals(env, rng, stations, servers, at, statistics))
    env.run(until=network["seconds"])
    json.dump(
        {
            "events": statistics.events,
            "wall_seconds": time.perf_counter() - start,
            "visits": statistics.visits,
            "mean_wait": statistics.waited / statistics.visits,
        },
        sys.stdout,
    )


main()
