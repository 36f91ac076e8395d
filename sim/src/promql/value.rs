//! The answers to queries, and their JSON form.

use serde::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};

use crate::telemetry::{Labels, Sample};

/// One element of an instant vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    /// The labels, with the metric's name unless an operation dropped it.
    pub metric: Labels,
    /// The value at the query's time.
    pub value: f64,
}

/// One series of a matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesValues {
    /// The labels, with the metric's name unless an operation dropped it.
    pub metric: Labels,
    /// Oldest first, never empty.
    pub samples: Vec<Sample>,
}

/// The answer to a query.
///
/// Serialises as the `data` object of Prometheus' HTTP API: `{"resultType":…,"result":…}`, with times
/// in seconds and values as text.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number at the query's time.
    Scalar(Sample),
    /// One value for each of some series, at one time.
    Vector {
        /// The query's time in milliseconds.
        t_ms: i64,
        /// In the order of the label sets, unless the query sorts.
        elements: Vec<Element>,
    },
    /// Several values for each of some series.
    Matrix(Vec<SeriesValues>),
    /// A text at the query's time.
    String {
        /// The query's time in milliseconds.
        t_ms: i64,
        /// The text.
        text: String,
    },
}

/// A value as Prometheus prints those of series: the shortest decimal that reads back as the same
/// number, with an exponent below 1e-6 and from 1e21; `NaN`, `+Inf`, `-Inf`.
pub fn format_value(value: f64) -> String {
    let magnitude = value.abs();
    if !magnitude.is_finite() || magnitude == 0.0 || (1e-6..1e21).contains(&magnitude) {
        return format_plain(value);
    }
    // Go writes the exponent's sign always and at least two digits of it.
    let text = scientific(value);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// A value as Prometheus prints scalars: like [`format_value`], but never with an exponent.
pub(super) fn format_plain(value: f64) -> String {
    if value == f64::INFINITY {
        "+Inf".to_owned()
    } else if value == f64::NEG_INFINITY {
        "-Inf".to_owned()
    } else {
        decimal(value)
    }
}

/// So many digits are needed before Go and Rust may choose differently.
const MANY_DIGITS: usize = 16;

/// The shortest digits that read back as the value, with an exponent. Where two are equally near, Go takes
/// the even one, Rust the larger.
fn scientific(value: f64) -> String {
    let text = format!("{value:e}");
    let digits = text.bytes().take_while(|byte| *byte != b'e').filter(u8::is_ascii_digit).count();
    if digits < MANY_DIGITS {
        return text;
    }
    let even = format!("{value:.*e}", digits - 1);
    if even.parse() == Ok(value) { even } else { text }
}

/// The same digits without an exponent.
fn decimal(value: f64) -> String {
    let text = value.to_string();
    let digits = text.trim_matches(['-', '0', '.']).bytes().filter(u8::is_ascii_digit).count();
    if digits < MANY_DIGITS {
        return text;
    }
    let scientific = scientific(value);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |mantissa| ("-", mantissa));
    let digits = mantissa.replace('.', "");
    let before = exponent.parse().unwrap_or(0) + 1;
    if before <= 0 {
        format!("{sign}0.{}{digits}", "0".repeat(-before as usize))
    } else if before as usize >= digits.len() {
        format!("{sign}{digits}{}", "0".repeat(before as usize - digits.len()))
    } else {
        let (whole, fraction) = digits.split_at(before as usize);
        format!("{sign}{whole}.{fraction}")
    }
}

/// A time in seconds, written without a fraction where there is none.
struct Seconds(i64);

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % 1000 == 0 {
            serializer.serialize_i64(self.0 / 1000)
        } else {
            serializer.serialize_f64(self.0 as f64 / 1000.0)
        }
    }
}

fn pair(t_ms: i64, value: f64) -> (Seconds, String) {
    (Seconds(t_ms), format_value(value))
}

struct VectorJson<'a>(i64, &'a [Element]);

impl Serialize for VectorJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Entry<'a>(i64, &'a Element);
        impl Serialize for Entry<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("metric", &self.1.metric)?;
                map.serialize_entry("value", &pair(self.0, self.1.value))?;
                map.end()
            }
        }
        serializer.collect_seq(self.1.iter().map(|element| Entry(self.0, element)))
    }
}

impl Serialize for SeriesValues {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let values: Vec<_> = self.samples.iter().map(|s| pair(s.t_ms, s.value)).collect();
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("metric", &self.metric)?;
        map.serialize_entry("values", &values)?;
        map.end()
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut data = serializer.serialize_struct("Value", 2)?;
        let kind = match self {
            Self::Scalar(_) => "scalar",
            Self::Vector { .. } => "vector",
            Self::Matrix(_) => "matrix",
            Self::String { .. } => "string",
        };
        data.serialize_field("resultType", kind)?;
        match self {
            Self::Scalar(sample) => {
                let pair = (Seconds(sample.t_ms), format_plain(sample.value));
                data.serialize_field("result", &pair)?;
            }
            Self::Vector { t_ms, elements } => {
                data.serialize_field("result", &VectorJson(*t_ms, elements))?;
            }
            Self::Matrix(series) => data.serialize_field("result", series)?,
            Self::String { t_ms, text } => {
                data.serialize_field("result", &(Seconds(*t_ms), text))?;
            }
        }
        data.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_printed_as_go_prints_them() {
        let cases = [
            (0.0, "0"),
            (-0.0, "-0"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e6, "1000000"),
            (1e-6, "0.000001"),
            (9.5e-7, "9.5e-07"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (-1.25e100, "-1.25e+100"),
            (5e-324, "5e-324"),
            (8_467_543_763_823_265.0 / 4.0, "2116885940955816.2"),
            (8_467_543_763_823_267.0 / 4.0, "2116885940955816.8"),
            (-1_234_567_890_123_456.7e-18, "-0.0012345678901234567"),
            (12_345_678_901_234_567_890.0, "12345678901234567000"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ];
        for (value, text) in cases {
            assert_eq!(format_value(value), text);
        }
    }

    #[test]
    fn answers_have_the_shape_of_the_http_api() {
        let json = |value: &Value| serde_json::to_string(value).unwrap();
        let metric: Labels = [("__name__", "up"), ("job", "a")].into_iter().collect();
        let sample = |t_ms, value| Sample { t_ms, value };
        assert_eq!(
            json(&Value::Scalar(sample(1500, f64::INFINITY))),
            r#"{"resultType":"scalar","result":[1.5,"+Inf"]}"#
        );
        assert_eq!(
            json(&Value::String { t_ms: 2000, text: "a\"b".into() }),
            r#"{"resultType":"string","result":[2,"a\"b"]}"#
        );
        let elements = vec![Element { metric: metric.clone(), value: 1.0 }];
        assert_eq!(
            json(&Value::Vector { t_ms: 60_000, elements }),
            r#"{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"a"},"value":[60,"1"]}]}"#
        );
        let samples = vec![sample(0, 0.5), sample(15_000, f64::NAN)];
        assert_eq!(
            json(&Value::Matrix(vec![SeriesValues { metric, samples }])),
            r#"{"resultType":"matrix","result":[{"metric":{"__name__":"up","job":"a"},"values":[[0,"0.5"],[15,"NaN"]]}]}"#
        );
    }
}
