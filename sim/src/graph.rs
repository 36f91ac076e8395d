//! The service graph: who needs whom.
//!
//! Nodes are the services of a profile, numbered like [`ServiceIx`]; an [`Edge`] leads from the one
//! that opens the connection to the one that accepts it. Callers wait for calls, so calls must not
//! run in a circle; messages may.

use std::collections::BTreeSet;

use petgraph::algo;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use crate::ids::ServiceIx;
use crate::profile::{Profile, ServiceProfile, Step};

/// Why one service connects to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Edge {
    /// It calls an endpoint and waits for the answer.
    Call,
    /// It hands messages to a broker.
    Publish,
    /// It takes messages from a broker.
    Consume,
}

/// Which service connects to which.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// At most one edge of a kind between two services; edges in the order of their ends.
    services: DiGraph<ServiceIx, Edge>,
}

impl Graph {
    /// The graph of a profile. Names that lead nowhere give no edge.
    pub fn new(profile: &Profile) -> Self {
        let mut services = DiGraph::new();
        for ix in 0..profile.services.len() {
            services.add_node(ServiceIx(ix as u32));
        }
        let index = |name: &str| profile.services.keys().position(|key| key == name).map(NodeIndex::new);
        for (from, service) in profile.services.values().enumerate() {
            for (to, edge) in needs(service) {
                if let Some(to) = index(to) {
                    services.add_edge(NodeIndex::new(from), to, edge);
                }
            }
        }
        Self { services }
    }

    /// The graph itself, for layout and for algorithms that are not here.
    pub fn as_petgraph(&self) -> &DiGraph<ServiceIx, Edge> {
        &self.services
    }

    /// Services that wait for each other in a circle, in the order of their calls and beginning with the
    /// first by name, or `None`.
    pub fn cycle(&self) -> Option<Vec<ServiceIx>> {
        let calls = self.services.filter_map(|_, ix| Some(*ix), |_, edge| (*edge == Edge::Call).then_some(()));
        let on_circles: BTreeSet<_> = algo::tarjan_scc(&calls)
            .into_iter()
            .filter(|component| component.len() > 1 || calls.contains_edge(component[0], component[0]))
            .flatten()
            .collect();
        let &first = on_circles.first()?;
        // The shortest way back to where it began.
        calls
            .neighbors(first)
            .filter_map(|next| algo::astar(&calls, next, |n| n == first, |_| 1_u32, |_| 0))
            .min_by_key(|(length, _)| *length)
            .map(|(_, path)| {
                let before_last = path[..path.len() - 1].iter();
                std::iter::once(&first).chain(before_last).map(|&n| calls[n]).collect()
            })
    }

    /// Whether what happens at `to` can show at `from`: whether `from` needs it, directly or not.
    pub fn reaches(&self, from: ServiceIx, to: ServiceIx) -> bool {
        algo::has_path_connecting(&self.services, node(from), node(to), None)
    }

    /// Connections between two services, whichever way they point: 0 for the same service, 1 for
    /// neighbours. `None` if nothing connects them.
    pub fn distance(&self, a: ServiceIx, b: ServiceIx) -> Option<u32> {
        let mut frontier = BTreeSet::from([node(a)]);
        let mut seen = frontier.clone();
        for distance in 0.. {
            if seen.contains(&node(b)) {
                return Some(distance);
            }
            frontier = frontier.iter().flat_map(|&n| self.services.neighbors_undirected(n)).collect();
            let known = seen.len();
            seen.extend(&frontier);
            if seen.len() == known {
                break;
            }
        }
        None
    }

    /// The services that one connects to, in the order of their names.
    pub fn needs(&self, service: ServiceIx) -> Vec<ServiceIx> {
        self.neighbours(service, petgraph::Outgoing)
    }

    /// The services that connect to one, in the order of their names.
    pub fn needed_by(&self, service: ServiceIx) -> Vec<ServiceIx> {
        self.neighbours(service, petgraph::Incoming)
    }

    /// All edges, in the order of their ends.
    pub fn edges(&self) -> impl Iterator<Item = (ServiceIx, ServiceIx, Edge)> {
        self.services.edge_references().map(|e| (self.services[e.source()], self.services[e.target()], *e.weight()))
    }

    fn neighbours(&self, service: ServiceIx, direction: petgraph::Direction) -> Vec<ServiceIx> {
        let found: BTreeSet<_> = self.services.neighbors_directed(node(service), direction).collect();
        found.into_iter().map(|n| self.services[n]).collect()
    }
}

fn node(service: ServiceIx) -> NodeIndex {
    NodeIndex::new(service.index())
}

/// What a service connects to, by name.
pub(crate) fn needs(service: &ServiceProfile) -> BTreeSet<(&str, Edge)> {
    let mut found: BTreeSet<_> = service.consumes.iter().map(|c| (c.broker.as_str(), Edge::Consume)).collect();
    let programs = service.endpoints.iter().map(|e| &e.program).chain(service.consumes.iter().map(|c| &c.program));
    for program in programs {
        walk(program, &mut |step| match step {
            Step::Call(call) => {
                found.insert((&call.to, Edge::Call));
            }
            Step::Publish(publish) => {
                found.insert((&publish.broker, Edge::Publish));
            }
            _ => {}
        });
    }
    found
}

/// Visits every step, those inside of others too.
pub(crate) fn walk<'p>(program: &'p [Step], visit: &mut impl FnMut(&'p Step)) {
    for step in program {
        visit(step);
        match step {
            Step::Parallel(parallel) => parallel.branches.iter().for_each(|branch| walk(branch, visit)),
            Step::Repeat(repeat) => walk(&repeat.steps, visit),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `calls` such as `shop>carts shop>users orders~queue`: `>` calls, `~` publishes.
    fn graph(edges: &str) -> (Graph, Vec<String>) {
        let mut services = std::collections::BTreeMap::<&str, Vec<String>>::new();
        for edge in edges.split(' ') {
            let (from, to) = edge.split_once(['>', '~']).unwrap();
            services.entry(to).or_default();
            services.entry(from).or_default().push(if edge.contains('>') {
                format!("call: {{to: {to}, request: find}}")
            } else {
                format!("publish: {{broker: {to}, queue: tasks}}")
            });
        }
        let names = services.keys().map(ToString::to_string).collect();
        let service = |(name, steps): (&str, Vec<String>)| {
            let steps = steps.iter().map(|step| format!("{{{step}}}")).collect::<Vec<_>>().join(", ");
            format!(
                "{name}: {{port: 80, runtime: {{model: threads}}, memory: {{base: 1Mi}}, \
                 endpoints: [{{request: find, program: [{steps}]}}]}}"
            )
        };
        let services = services.into_iter().map(service).collect::<Vec<_>>().join(", ");
        let text = format!("{{apiVersion: sockpit/v1alpha1, kind: Profile, images: [], services: {{{services}}}}}");
        let source = crate::diagnostic::Source { path: "profile.yaml".into(), text };
        let profile = crate::input::parse::<Profile>(&source).unwrap().value;
        (Graph::new(&profile), names)
    }

    #[test]
    fn circles_of_calls_are_named() {
        let check = |edges, expected: &str| {
            let (graph, names) = graph(edges);
            let found = graph.cycle().unwrap_or_default();
            let found: Vec<_> = found.iter().map(|ix| names[ix.index()].as_str()).collect();
            assert_eq!(found.join(" "), expected, "{edges}");
        };
        check("a>b b>c a>c", "");
        check("a>b b>c c>b", "b c");
        check("a>b b>c c>a c>d d>c", "a b c");
        check("a>a a>b", "a");
        // A message is not waited for.
        check("a>b b~a", "");
    }

    #[test]
    fn distance_ignores_the_direction_and_reachability_does_not() {
        let (graph, names) = graph("front>cart front>user cart>db user~bus lone>pair");
        let ix = |name: &str| ServiceIx(names.iter().position(|n| n == name).unwrap() as u32);
        let distance = |a, b| graph.distance(ix(a), ix(b));
        assert_eq!(distance("front", "front"), Some(0));
        assert_eq!(distance("db", "user"), Some(3));
        assert_eq!(distance("user", "db"), Some(3));
        assert_eq!(distance("front", "pair"), None);
        assert!(graph.reaches(ix("front"), ix("bus")));
        assert!(!graph.reaches(ix("bus"), ix("front")));
        let named = |found: Vec<ServiceIx>| found.iter().map(|ix| names[ix.index()].clone()).collect::<Vec<_>>();
        assert_eq!(named(graph.needs(ix("front"))), ["cart", "user"]);
        assert_eq!(named(graph.needed_by(ix("cart"))), ["front"]);
    }
}
