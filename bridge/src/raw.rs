//! Requests by path, for objects that are read or changed whole: all their fields, as JSON.

use hyper::Request;
use hyper::http::request::Builder;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::error::Error;
use crate::http::percent_encoded;
use crate::write::{FIELD_MANAGER, Mode};

/// An API group with its version, as a path begins with it.
pub(crate) mod group {
    pub(crate) const CORE: &str = "/api/v1";
    pub(crate) const APPS: &str = "/apis/apps/v1";
    pub(crate) const AUTOSCALING: &str = "/apis/autoscaling/v2";
    pub(crate) const POLICY: &str = "/apis/policy/v1";
    pub(crate) const NETWORKING: &str = "/apis/networking.k8s.io/v1";
    pub(crate) const DISCOVERY: &str = "/apis/discovery.k8s.io/v1";
    pub(crate) const METRICS: &str = "/apis/metrics.k8s.io/v1beta1";
    pub(crate) const CHAOS_MESH: &str = "/apis/chaos-mesh.org/v1alpha1";
}

impl Cluster {
    /// The path of all objects of a kind in the namespace, such as of `pods`.
    pub(crate) fn path(&self, group: &str, plural: &str) -> String {
        format!("{group}/namespaces/{}/{plural}", self.namespace)
    }

    /// The path of one object.
    pub(crate) fn path_of(&self, group: &str, plural: &str, name: &str) -> String {
        format!("{}/{}", self.path(group, plural), percent_encoded(name))
    }

    /// Reads an object, or a list.
    pub(crate) async fn get(&self, what: &str, path: &str) -> Result<Value, Error> {
        let request = with_body(Request::get(path), Vec::new())?;
        self.bounded(what, self.client.request(request)).await
    }

    /// Reads an object; none if there is none.
    pub(crate) async fn get_opt(&self, what: &str, path: &str) -> Result<Option<Value>, Error> {
        let request = with_body(Request::get(path), Vec::new())?;
        let answer = async {
            match self.client.request::<Value>(request).await {
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
                answer => answer.map(Some),
            }
        };
        self.bounded(what, answer).await
    }

    /// Reads all objects of a list, in the order of their names.
    pub(crate) async fn items(&self, what: &str, path: &str) -> Result<Vec<Value>, Error> {
        let mut list = self.get(what, path).await?;
        let Value::Array(mut items) = list["items"].take() else { return Ok(Vec::new()) };
        items.sort_by(|a, b| a["metadata"]["name"].as_str().cmp(&b["metadata"]["name"].as_str()));
        Ok(items)
    }

    /// Patches an object; lists of named things are merged by the names. The answer is the object as it is then, or would be.
    pub(crate) async fn patch(&self, path: &str, patch: &Value, mode: Mode) -> Result<Value, Error> {
        let path = format!("{path}?{}", options(mode));
        let builder = Request::patch(path).header("content-type", "application/strategic-merge-patch+json");
        let request = with_body(builder, patch.to_string().into_bytes())?;
        self.bounded("change an object", self.client.request(request)).await
    }

    /// Creates an object below the path of its kind.
    pub(crate) async fn create(&self, path: &str, object: &Value, mode: Mode) -> Result<Value, Error> {
        let path = format!("{path}?{}", options(mode));
        let builder = Request::post(path).header("content-type", "application/json");
        let request = with_body(builder, object.to_string().into_bytes())?;
        self.bounded("create an object", self.client.request(request)).await
    }

    /// Deletes an object, with its dependents in the background; whether there was one. A grace period, in seconds, is for
    /// pods.
    pub(crate) async fn delete(&self, path: &str, grace_seconds: Option<u64>) -> Result<bool, Error> {
        let mut body = json!({ "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background" });
        if let Some(seconds) = grace_seconds {
            body["gracePeriodSeconds"] = json!(seconds);
        }
        let builder = Request::delete(path).header("content-type", "application/json");
        let request = with_body(builder, body.to_string().into_bytes())?;
        let answer = async {
            match self.client.request::<Value>(request).await {
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
                answer => answer.map(|_| true),
            }
        };
        self.bounded("delete an object", answer).await
    }

    /// Whether the API server serves a group, such as `chaos-mesh.org`.
    pub(crate) async fn serves(&self, group: &str) -> Result<bool, Error> {
        let groups = self.get("list API groups", "/apis").await?;
        Ok(groups["groups"].as_array().is_some_and(|groups| groups.iter().any(|served| served["name"] == group)))
    }
}

fn options(mode: Mode) -> String {
    let dry_run = if mode == Mode::DryRun { "&dryRun=All" } else { "" };
    format!("fieldManager={FIELD_MANAGER}{dry_run}")
}

fn with_body(builder: Builder, body: Vec<u8>) -> Result<Request<Vec<u8>>, Error> {
    let malformed = |error: hyper::http::Error| Error::Malformed {
        what: "a request to the API server".to_owned(),
        reason: error.to_string(),
    };
    builder.body(body).map_err(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_says_so() {
        assert_eq!(options(Mode::ForGood), "fieldManager=sockpit");
        assert_eq!(options(Mode::DryRun), "fieldManager=sockpit&dryRun=All");
    }
}
