//! Prometheus' HTTP API (`/api/v1/query`, `/api/v1/query_range`).

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::Uri;
use serde::Deserialize;
use serde_json::Value;

use crate::error::Error;
use crate::http::{get, percent_encoded};

/// Prometheus gives up after two minutes (`--query.timeout`); queries here are small.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// A Prometheus server.
#[derive(Clone, Debug)]
pub struct Prometheus {
    /// Without a slash at the end.
    url: String,
}

/// One series of an instant query's answer. A scalar has no labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its labels; the metric's name is `__name__`.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

/// One series of a range query's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its labels; the metric's name is `__name__`.
    pub labels: BTreeMap<String, String>,
    /// Its values with their times, oldest first.
    pub points: Vec<(SystemTime, f64)>,
}

#[derive(Deserialize)]
struct Answer {
    status: String,
    #[serde(default)]
    data: Option<Value>,
    #[serde(default)]
    error: String,
    #[serde(default, rename = "errorType")]
    error_type: String,
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data {
    Vector(Vec<Row>),
    Matrix(Vec<Rows>),
    Scalar(Point),
    String(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
struct Row {
    metric: BTreeMap<String, String>,
    value: Point,
}

#[derive(Deserialize)]
struct Rows {
    metric: BTreeMap<String, String>,
    values: Vec<Point>,
}

/// Seconds since 1970, and the value as a text.
#[derive(Deserialize)]
struct Point(f64, String);

impl Prometheus {
    /// The server at a URL such as `http://10.200.0.1:9090`.
    pub fn new(url: &str) -> Self {
        Self { url: url.trim_end_matches('/').to_owned() }
    }

    /// The value of an expression at one moment.
    pub async fn instant(&self, promql: &str, at: SystemTime) -> Result<Vec<Sample>, Error> {
        let path = format!("/api/v1/query?query={}&time={}", percent_encoded(promql), seconds(at));
        self.samples(self.ask(&path).await?)
    }

    /// The same as the `data` of the answer, as it came.
    pub async fn instant_data(&self, promql: &str, at: SystemTime) -> Result<Value, Error> {
        self.raw(&format!("/api/v1/query?query={}&time={}", percent_encoded(promql), seconds(at))).await
    }

    /// The `data` of the answer to a range query, as it came.
    pub async fn range_data(
        &self,
        promql: &str,
        start: SystemTime,
        end: SystemTime,
        step: Duration,
    ) -> Result<Value, Error> {
        self.raw(&range_path(promql, start, end, step)).await
    }

    /// The values of an expression from `start` to `end`, every `step`.
    pub async fn range(
        &self,
        promql: &str,
        start: SystemTime,
        end: SystemTime,
        step: Duration,
    ) -> Result<Vec<Series>, Error> {
        self.series(self.ask(&range_path(promql, start, end, step)).await?)
    }

    async fn ask(&self, path: &str) -> Result<Data, Error> {
        let data = self.raw(path).await?;
        serde_json::from_value(data).map_err(|error| self.failed(&format!("answers what no query has: {error}")))
    }

    async fn raw(&self, path: &str) -> Result<Value, Error> {
        let uri: Uri = format!("{}{path}", self.url).parse().map_err(|_| self.failed("it is no URL"))?;
        if uri.scheme_str() != Some("http") {
            return Err(self.failed("only http:// is spoken"));
        }
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, get(&uri)).await;
        let answer =
            answer.map_err(|_| Error::TimedOut { what: "query Prometheus".to_owned(), after: ANSWER_TIMEOUT })?;
        let (status, body) = answer.map_err(|reason| self.failed(&reason))?;
        let answer: Answer = serde_json::from_slice(&body)
            .map_err(|error| self.failed(&format!("answers {status} with what is not its API's JSON: {error}")))?;
        self.data(answer)
    }

    fn data(&self, answer: Answer) -> Result<Value, Error> {
        match answer.data {
            Some(data) if answer.status == "success" => Ok(data),
            // The expression is wrong, or asks for too much.
            _ if ["bad_data", "execution"].contains(&answer.error_type.as_str()) => Err(Error::Refused(answer.error)),
            _ => Err(self.failed(&answer.error)),
        }
    }

    fn samples(&self, data: Data) -> Result<Vec<Sample>, Error> {
        let sample = |labels, Point(_, text): Point| Ok(Sample { labels, value: self.value(&text)? });
        match data {
            Data::Vector(rows) => rows.into_iter().map(|row| sample(row.metric, row.value)).collect(),
            Data::Scalar(point) => Ok(vec![sample(BTreeMap::new(), point)?]),
            Data::Matrix(_) => Err(Error::Refused("a range vector has no value at one moment".to_owned())),
            Data::String(_) => Err(Error::Refused("the expression is a string".to_owned())),
        }
    }

    fn series(&self, data: Data) -> Result<Vec<Series>, Error> {
        let Data::Matrix(rows) = data else {
            return Err(self.failed("answers a range query with something else"));
        };
        let point = |Point(at, text): Point| {
            let since = Duration::try_from_secs_f64(at).map_err(|_| self.failed("names a time before 1970"))?;
            Ok((UNIX_EPOCH + since, self.value(&text)?))
        };
        let series = |row: Rows| {
            Ok(Series { labels: row.metric, points: row.values.into_iter().map(point).collect::<Result<_, Error>>()? })
        };
        rows.into_iter().map(series).collect()
    }

    /// Reads a value: a number, `NaN`, `+Inf` or `-Inf`.
    fn value(&self, text: &str) -> Result<f64, Error> {
        text.parse().map_err(|_| self.failed(&format!("says that `{text}` is a value")))
    }

    fn failed(&self, reason: &str) -> Error {
        Error::Prometheus { url: self.url.clone(), reason: reason.to_owned() }
    }
}

fn range_path(promql: &str, start: SystemTime, end: SystemTime, step: Duration) -> String {
    let promql = percent_encoded(promql);
    let (start, end, step) = (seconds(start), seconds(end), step.as_secs_f64());
    format!("/api/v1/query_range?query={promql}&start={start}&end={end}&step={step}")
}

/// Seconds since 1970 with milliseconds, the precision that Prometheus keeps.
fn seconds(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}.{:03}", since.as_secs(), since.subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Prometheus {
        Prometheus::new("http://prometheus:9090/")
    }

    fn data(json: &str) -> Result<Data, Error> {
        let data = server().data(serde_json::from_str(json).unwrap())?;
        Ok(serde_json::from_value(data).unwrap())
    }

    #[test]
    fn vectors_and_matrices_are_read() {
        let vector = r#"{"status":"success","data":{"resultType":"vector","result":[
            {"metric":{"__name__":"up","job":"a"},"value":[1795535286.039,"+Inf"]}]}}"#;
        let samples = server().samples(data(vector).unwrap()).unwrap();
        let labels = [("__name__", "up"), ("job", "a")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        assert_eq!(samples, [Sample { labels, value: f64::INFINITY }]);
        let scalar = r#"{"status":"success","data":{"resultType":"scalar","result":[1,"2.5"]}}"#;
        let samples = server().samples(data(scalar).unwrap()).unwrap();
        assert_eq!(samples, [Sample { labels: BTreeMap::new(), value: 2.5 }]);
        let matrix = r#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{},"values":[[1.5,"1"],[2,"0"]]}]}}"#;
        let series = server().series(data(matrix).unwrap()).unwrap();
        let at = |ms| UNIX_EPOCH + Duration::from_millis(ms);
        assert_eq!(series, [Series { labels: BTreeMap::new(), points: vec![(at(1500), 1.0), (at(2000), 0.0)] }]);
    }

    #[test]
    fn a_wrong_query_is_not_a_broken_server() {
        let wrong = r#"{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\""}"#;
        assert!(matches!(data(wrong), Err(Error::Refused(why)) if why.starts_with("invalid parameter")));
        let broken = r#"{"status":"error","errorType":"internal","error":"no"}"#;
        assert!(matches!(data(broken), Err(Error::Prometheus { .. })));
    }

    #[test]
    fn queries_are_encoded() {
        assert_eq!(percent_encoded("rate(a{b=\"c\"}[1m])"), "rate%28a%7Bb%3D%22c%22%7D%5B1m%5D%29");
        assert_eq!(seconds(UNIX_EPOCH + Duration::from_micros(1_500_999)), "1.500");
    }
}
