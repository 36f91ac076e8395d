//! What is to be sent where: loads with their names and URLs resolved.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};
use hyper::http::Method;
use sim::chance::Key;
use sim::profile::UserRequest;
use sim::program::Programs;
use sim::time::SimTime;
use sim::workload::{Behaviour, Course, Workload, load_key, users_key};

use crate::ATTRIBUTE_HEADER;

/// Why a load cannot be generated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Not a URL that can be called.
    #[error("`{0}` is not a base URL: write it as http://HOST[:PORT][/PREFIX]; there is no TLS")]
    Url(String),
    /// The profile and the workload do not fit.
    #[error("{0}")]
    Workload(String),
}

/// Where a service is: `http://host[:port][/prefix]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Without a slash at its end.
    prefix: String,
    /// The `Host` header.
    pub(crate) authority: HeaderValue,
}

impl FromStr for BaseUrl {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let bad = || PlanError::Url(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| bad())?;
        let authority = uri.authority().ok_or_else(bad)?;
        if uri.scheme_str() != Some("http") || uri.query().is_some() || authority.as_str().contains('@') {
            return Err(bad());
        }
        Ok(Self {
            // An IPv6 address stands in brackets.
            host: authority.host().trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: authority.port_u16().unwrap_or(80),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            authority: HeaderValue::from_str(authority.as_str()).map_err(|_| bad())?,
        })
    }
}

/// Where the services of a profile are.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    /// Of a load's own target.
    pub default: Option<BaseUrl>,
    /// Of these services, as the profile calls them.
    pub by_service: BTreeMap<String, BaseUrl>,
}

impl Targets {
    /// Everything that loads call is at one URL.
    pub fn one(url: BaseUrl) -> Self {
        Self { default: Some(url), by_service: BTreeMap::new() }
    }

    fn url(&self, service: &str, target: &str) -> Result<&BaseUrl, String> {
        let default = self.default.as_ref().filter(|_| service == target);
        self.by_service.get(service).or(default).ok_or_else(|| format!("there is no URL for the service `{service}`"))
    }
}

/// Loads that are ready to be generated.
#[derive(Debug)]
pub struct Plan {
    pub(crate) seed: u64,
    pub(crate) loads: Vec<Load>,
    pub(crate) urls: Vec<BaseUrl>,
    pub(crate) kinds: Vec<Kind>,
    /// The header of each attribute.
    pub(crate) attributes: Vec<HeaderName>,
}

#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) behaviour: Arc<Behaviour<Route>>,
    pub(crate) course: Course,
    pub(crate) start: SimTime,
    pub(crate) key: Key,
}

/// A kind of request, for statistics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) service: String,
    pub(crate) request: String,
}

/// Where a request goes.
#[derive(Debug)]
pub(crate) struct Route {
    /// Its place in [`Plan::kinds`].
    pub(crate) kind: usize,
    /// Its place in [`Plan::urls`].
    pub(crate) url: usize,
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) path: Uri,
}

impl Plan {
    /// Loads of a profile, numbered as in the twin, with the same chance as there.
    ///
    /// # Errors
    /// Names that the profile does not have, services without a URL, users that can never send anything.
    pub fn new(programs: &Programs, workloads: &[Workload], targets: &Targets, seed: u64) -> Result<Self, PlanError> {
        let header = |name: &String| {
            let header = format!("{ATTRIBUTE_HEADER}{name}");
            header.parse().map_err(|_| PlanError::Workload(format!("the attribute `{name}` cannot be a header's name")))
        };
        let attributes = programs.attributes.iter().map(header).collect::<Result<_, _>>()?;
        let mut plan = Self { seed, loads: Vec::new(), urls: Vec::new(), kinds: Vec::new(), attributes };
        for (ix, workload) in workloads.iter().enumerate() {
            let start = SimTime::ZERO + workload.start;
            let resolve = |service: &str, request: &UserRequest| {
                let url = targets.url(service, &workload.target)?;
                plan.route(url, service, &request.request)
            };
            let behaviour = Behaviour::new(programs, workload, resolve).map_err(PlanError::Workload)?;
            let course = Course::new(&workload.shape, &programs.levels, &workload.target, start);
            plan.loads.push(Load {
                behaviour: Arc::new(behaviour),
                course: course.map_err(PlanError::Workload)?,
                start,
                key: load_key(users_key(Key::root(seed)), ix as u32),
            });
        }
        Ok(plan)
    }

    /// The same with its loads numbered from `first` on: loads that come later than others of the same world have users of
    /// their own.
    #[must_use]
    pub fn numbered_from(mut self, first: u32) -> Self {
        for (number, load) in (first..).zip(&mut self.loads) {
            load.key = load_key(users_key(Key::root(self.seed)), number);
        }
        self
    }

    fn route(&mut self, url: &BaseUrl, service: &str, request: &str) -> Result<Route, String> {
        let bad = || format!("the request `{request}` cannot be sent: write a method and a path, such as GET /");
        let (method, path) = request.split_once(' ').ok_or_else(bad)?;
        let path = format!("{}{path}", url.prefix);
        if !path.starts_with('/') {
            return Err(bad());
        }
        let kind = Kind { service: service.to_owned(), request: request.to_owned() };
        Ok(Route {
            kind: place(&mut self.kinds, kind),
            url: place(&mut self.urls, url.clone()),
            method: method.parse().map_err(|_| bad())?,
            path: path.parse().map_err(|_| bad())?,
        })
    }
}

/// Where something is in a list; put there if it is new.
fn place<T: PartialEq>(list: &mut Vec<T>, item: T) -> usize {
    list.iter().position(|known| *known == item).unwrap_or_else(|| {
        list.push(item);
        list.len() - 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_are_plain_http() {
        let url: BaseUrl = "http://127.0.0.1:8079/shop/".parse().unwrap();
        assert_eq!((url.host.as_str(), url.port, url.prefix.as_str()), ("127.0.0.1", 8079, "/shop"));
        let url: BaseUrl = "http://[::1]".parse().unwrap();
        assert_eq!((url.host.as_str(), url.port, url.prefix.as_str()), ("::1", 80, ""));
        for bad in ["front-end", "https://front-end", "http://", "/catalogue", "http://me@here", "http://here/?a=b", ""]
        {
            assert_eq!(bad.parse::<BaseUrl>(), Err(PlanError::Url(bad.into())), "{bad}");
        }
    }
}
