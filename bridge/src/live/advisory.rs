//! Changes that are only tried: what an agent proposes is worked out by the API server, and nothing comes of it.

use sim::environment::{Failure, Write};

use crate::changes::Changes;
use crate::cluster::Cluster;

/// A cluster that agents may advise on, and not change.
#[derive(Clone, Debug)]
pub struct Advisory(pub Cluster);

impl Changes for Advisory {
    async fn change(&self, write: &Write) -> Result<String, Failure> {
        let answer = self.0.rehearse(write).await?;
        Ok(format!("accepted, not applied (advisory): {answer}"))
    }
}
