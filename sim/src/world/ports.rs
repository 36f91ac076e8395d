//! The twin behind the three ports.

use crate::environment::{
    Environment, Failure, Fork, MetricQuery, Observation, Query, Rejected, Stage, Unavailable, Write,
};
use crate::episode::{Truth, WorldEvent};
use crate::promql;
use crate::time::SimTime;

use super::Twin;
use super::monitoring::SCRAPE_EVERY;

impl Environment for Twin {
    fn now(&self) -> SimTime {
        self.now
    }

    async fn observe(&mut self, query: &Query) -> Result<Observation, Failure> {
        self.look(query).map_err(Failure::Rejected)
    }

    async fn act(&mut self, write: &Write) -> Result<String, Failure> {
        let parts = &mut self.parts;
        let answer = parts.cluster.write(self.now, write, &mut self.queue, &mut parts.traffic);
        parts.deliver_notices(self.now, &mut self.queue);
        answer.map_err(Failure::Rejected)
    }

    async fn advance(&mut self, until: SimTime) -> Result<(), Unavailable> {
        self.run_until(until);
        Ok(())
    }
}

impl Twin {
    fn look(&self, query: &Query) -> Result<Observation, Rejected> {
        let cluster = &self.parts.cluster;
        let now = self.now;
        Ok(match query {
            Query::ListPods { component } => Observation::Pods(cluster.list_pods(now, component.as_deref())),
            Query::Describe { component } => Observation::Description(Box::new(cluster.describe(now, component)?)),
            Query::Logs(logs) => {
                let log = cluster.logs(logs)?;
                let written = log.process.into_iter().flat_map(|process| log.entries.iter().map(move |e| (process, e)));
                let mut lines: Vec<_> = written
                    .flat_map(|(process, entry)| self.parts.traffic.lines_of(process, log.image, entry))
                    .collect();
                lines.drain(..lines.len().saturating_sub(logs.tail as usize));
                Observation::Logs { pod: log.pod.to_owned(), lines }
            }
            Query::Events { component } => Observation::Events(cluster.list_events(now, component.as_deref())),
            Query::ResourceUsage { component } => Observation::Usage(cluster.usage(component.as_deref())),
            Query::Nodes => Observation::Nodes(cluster.list_nodes()),
            Query::Metrics(query) => Observation::Metrics(self.metrics(query)?),
            Query::Dependencies { component } => Observation::Dependencies(
                self.app
                    .dependencies(component)
                    .ok_or_else(|| Rejected(format!("deployments.apps \"{component}\" not found")))?,
            ),
            Query::Policies => Observation::Policies(cluster.list_policies()),
            Query::RolloutHistory { component } => Observation::RolloutHistory(cluster.rollout_history(component)?),
        })
    }

    fn metrics(&self, query: &MetricQuery) -> Result<serde_json::Value, Rejected> {
        let store = self.parts.monitoring.store();
        let end = self.now.as_millis();
        let answer = match query.range {
            None => promql::query(store, &query.promql, end),
            Some(range) => {
                let start = (self.now - range).as_millis();
                let step = query.step.unwrap_or(SCRAPE_EVERY);
                promql::query_range(store, &query.promql, start, end, step.as_millis())
            }
        };
        let value = answer.map_err(|e| Rejected(e.to_string()))?;
        serde_json::to_value(&value).map_err(|e| Rejected(e.to_string()))
    }

    fn fault_failed(index: usize, why: &Rejected) -> Unavailable {
        Unavailable(format!("fault {index} of the scenario could not be injected: {why}"))
    }
}

impl Stage for Twin {
    fn drain_journal(&mut self) -> Vec<WorldEvent> {
        let mut events = self.parts.cluster.drain_journal();
        events.append(&mut self.journal);
        // Of equal times, what the cluster did first: it had done it when the fault came.
        events.sort_by_key(WorldEvent::at);
        events
    }

    async fn prepare(&mut self) -> Result<(), Unavailable> {
        let parts = &mut self.parts;
        parts.cluster.place(&self.scenario.start.placement);
        parts.cluster.bootstrap(self.now, &self.scenario.start.absent, &mut self.queue, &mut parts.traffic);
        parts.deliver_notices(self.now, &mut self.queue);
        parts.monitoring.start(self.now, &mut self.queue);
        for workload in &self.scenario.workloads {
            parts.traffic.add_workload(self.now, &mut self.queue, workload).map_err(Unavailable)?;
        }
        Ok(())
    }

    async fn inject(&mut self, index: usize) -> Result<(), Unavailable> {
        let fault = self.scenario.faults.get(index);
        let effect = fault
            .and_then(crate::fault::Fault::effect)
            .ok_or_else(|| Unavailable(format!("the scenario has no fault {index} that can be injected")))?;
        self.faults
            .inject(self.now, index, effect, &self.app, &mut self.parts, &mut self.queue)
            .map_err(|why| Self::fault_failed(index, &why))?;
        self.journal.push(WorldEvent::FaultBegan { at: self.now, index: index as u32 });
        Ok(())
    }

    async fn recover(&mut self, index: usize) -> Result<(), Unavailable> {
        self.faults.recover(self.now, index, &mut self.parts, &mut self.queue);
        self.journal.push(WorldEvent::FaultEnded { at: self.now, index: index as u32 });
        Ok(())
    }

    async fn truth(&mut self) -> Result<Truth, Unavailable> {
        Ok(self.meter.read(self.now, &mut self.parts, &self.app, &self.scenario))
    }
}

impl Fork for Twin {
    fn fork(&self) -> Self {
        self.clone()
    }

    fn fork_with_future(&self, future: u64) -> Self {
        let mut fork = self.clone();
        fork.parts.traffic.rekey(future);
        fork.parts.cluster.rekey(future);
        fork.parts.monitoring.rekey(future);
        fork
    }
}
