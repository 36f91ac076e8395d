//! What goes over the wire: async-openai makes the request, this sends it once and reads the answer.
//!
//! It takes the place of async-openai's own sender, which tries again by rules of its own, does not tell `Retry-After`,
//! loses the status of what it cannot read and logs the text of errors. Here nothing is tried twice, nothing is logged,
//! and the key is added to the request at the last moment and taken out of all that comes back.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use reqwest::header::{AUTHORIZATION, HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{Client, Response, Url, redirect};
use serde_json::Value;
use sim::time::SimDuration;
use tower_service::Service;

use super::SetupError;
use super::secret::Secret;

/// Longest answer that is read, in bytes. What is longer is no chat completion.
const LONGEST_BODY: usize = 8 << 20;

/// Longest time in which a server has to take the connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends requests, each once.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    client: Client,
    key: Option<Secret>,
}

/// Why there is no JSON.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// No connection, or it was cut.
    #[error("{0}")]
    Unreachable(String),
    /// The server said so.
    #[error("status {status}")]
    Status {
        /// Of HTTP.
        status: u16,
        /// How long the server asks to wait.
        retry_after: Option<SimDuration>,
        /// All of it.
        body: String,
    },
    /// Success, but of something else.
    #[error("{0}")]
    NotJson(String),
    /// The request could not be made.
    #[error("{0}")]
    Unsendable(String),
}

impl From<WireError> for OpenAIError {
    fn from(error: WireError) -> Self {
        Self::Boxed(Box::new(error))
    }
}

impl Wire {
    /// A sender to one server.
    ///
    /// # Errors
    /// This build cannot speak to it, or the key cannot be sent.
    pub(super) fn new(base_url: &Url, key: Option<Secret>) -> Result<Self, SetupError> {
        if base_url.scheme() == "https" && !cfg!(feature = "tls") {
            return Err(SetupError::NoTls { url: base_url.to_string() });
        }
        #[cfg(feature = "tls")]
        install_provider();
        // A redirect would turn the POST into a GET, and may lead to another host.
        let mut client = Client::builder().redirect(redirect::Policy::none()).connect_timeout(CONNECT_TIMEOUT);
        if is_loopback(base_url) {
            client = client.no_proxy();
        }
        // The certificates of the system, which may have none, are for https only.
        #[cfg(feature = "tls")]
        if base_url.scheme() == "http" {
            client = client.tls_certs_only([]);
        }
        let client = client.build().map_err(|e| SetupError::Client(cause(&e.without_url())))?;
        Ok(Self { client, key })
    }

    /// The HTTP client, for async-openai to make requests of.
    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }

    async fn send(self, factory: HttpRequestFactory) -> Result<Response, WireError> {
        let mut request = factory.build().await.map_err(|_| {
            // Its text may hold the headers.
            WireError::Unsendable("the request could not be made".to_owned())
        })?;
        // What async-openai put there is an empty key.
        request.headers_mut().remove(AUTHORIZATION);
        if let Some(value) = self.key.as_ref().and_then(Secret::header) {
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let mut response = self.client.execute(request).await.map_err(|e| self.cut(e))?;
        let status = response.status();
        let retry_after = retry_after(response.headers());
        let location = response.headers().get(LOCATION).and_then(|to| to.to_str().ok()).map(ToOwned::to_owned);
        let body = self.body(&mut response).await?;
        if status.is_redirection() {
            let to = self.redact(location.unwrap_or_else(|| "elsewhere".to_owned()));
            let body = format!("it redirects to {to}: set `base_url` to where the API is");
            return Err(WireError::Status { status: status.as_u16(), retry_after, body });
        }
        if !status.is_success() {
            return Err(WireError::Status { status: status.as_u16(), retry_after, body });
        }
        if serde_json::from_str::<Value>(&body).is_err() {
            return Err(WireError::NotJson(super::failure::excerpt(&body)));
        }
        let mut answer = http::Response::new(body);
        *answer.status_mut() = status;
        Ok(answer.into())
    }

    async fn body(&self, response: &mut Response) -> Result<String, WireError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| self.cut(e))? {
            if body.len() + chunk.len() > LONGEST_BODY {
                return Err(WireError::NotJson(format!("it is longer than {LONGEST_BODY} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(self.redact(String::from_utf8_lossy(&body).into_owned()))
    }

    fn cut(&self, error: reqwest::Error) -> WireError {
        WireError::Unreachable(self.redact(cause(&error.without_url())))
    }

    fn redact(&self, text: String) -> String {
        match &self.key {
            Some(key) => key.redact(text),
            None => text,
        }
    }
}

impl Service<HttpRequestFactory> for Wire {
    type Response = Response;
    type Error = WireError;
    type Future = Pin<Box<dyn Future<Output = Result<Response, WireError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), WireError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, factory: HttpRequestFactory) -> Self::Future {
        Box::pin(self.clone().send(factory))
    }
}

/// rustls on ring, unless the process has chosen a provider already.
#[cfg(feature = "tls")]
fn install_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // If another thread was faster, there is one now.
        rustls::crypto::ring::default_provider().install_default().ok();
    }
}

/// The causes of an error, from the last that is told to its root: `reqwest` says first that sending failed.
fn cause(error: &reqwest::Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut next = error.source();
    while let Some(error) = next {
        let text = error.to_string();
        if texts.last() != Some(&text) {
            texts.push(text);
        }
        next = error.source();
    }
    texts.join(": ")
}

/// Requests to this machine go to it, whatever proxy the environment names.
fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost") => true,
        Some(host) => {
            let bare = host.trim_start_matches('[').trim_end_matches(']');
            bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        None => false,
    }
}

/// How long a server asks to wait, in seconds or (in a header of their own) milliseconds. A date is not read: it would
/// need the wall clock.
fn retry_after(headers: &HeaderMap) -> Option<SimDuration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let seconds = match number("retry-after-ms") {
        Some(milliseconds) => milliseconds / 1e3,
        None => number(RETRY_AFTER.as_str())?,
    };
    (seconds.is_finite() && seconds >= 0.0).then(|| SimDuration::from_secs_f64(seconds))
}
