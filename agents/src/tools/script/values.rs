//! Values of the language: from what the world answers, to what calls take, and as text.
//!
//! A program can put collections into each other a thousand times. The interpreter's own functions that compare and print
//! them call themselves for each level, and a thread's stack ends before that; those here give up at [`DEEPEST`].

use std::cmp::Ordering;

use rhai::{Array, Dynamic, Engine, EvalAltResult, Map, Position};
use serde_json::{Map as Fields, Value};

use super::Limits;

/// How deep collections are compared, printed and handed on.
const DEEPEST: usize = 24;

const TOO_DEEP: &str = "collections are nested too deep";

/// The longest error.
const MAX_ERROR: usize = 1_000;

/// Functions that take the place of the interpreter's.
pub(super) fn register(engine: &mut Engine) {
    for name in ["print", "debug", "to_string", "to_debug"] {
        engine.register_fn(name, |array: &mut Array| printed(&Dynamic::from_array(array.clone())));
        engine.register_fn(name, |map: &mut Map| printed(&Dynamic::from_map(map.clone())));
    }
    engine.register_fn("==", |a: &mut Array, b: Array| same_arrays(a, &b, 0));
    engine.register_fn("!=", |a: &mut Array, b: Array| same_arrays(a, &b, 0).map(|same| !same));
    engine.register_fn("==", |a: &mut Map, b: Map| same_maps(a, &b, 0));
    engine.register_fn("!=", |a: &mut Map, b: Map| same_maps(a, &b, 0).map(|same| !same));
}

type Comparison = Result<bool, Box<EvalAltResult>>;

fn same_arrays(a: &Array, b: &Array, depth: usize) -> Comparison {
    if a.len() != b.len() {
        return Ok(false);
    }
    for (a, b) in a.iter().zip(b) {
        if !same(a, b, depth + 1)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn same_maps(a: &Map, b: &Map, depth: usize) -> Comparison {
    if a.len() != b.len() {
        return Ok(false);
    }
    for ((a_key, a), (b_key, b)) in a.iter().zip(b) {
        if a_key != b_key || !same(a, b, depth + 1)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn same(a: &Dynamic, b: &Dynamic, depth: usize) -> Comparison {
    if depth > DEEPEST {
        return Err(EvalAltResult::ErrorRuntime(TOO_DEEP.into(), Position::NONE).into());
    }
    if let (Ok(a), Ok(b)) = (a.as_array_ref(), b.as_array_ref()) {
        return same_arrays(&a, &b, depth);
    }
    if let (Ok(a), Ok(b)) = (a.as_map_ref(), b.as_map_ref()) {
        return same_maps(&a, &b, depth);
    }
    if let (Some(a), Some(b)) = (number(a), number(b)) {
        return Ok(a.partial_cmp(&b) == Some(Ordering::Equal));
    }
    if a.is_array() || a.is_map() || b.is_array() || b.is_map() {
        return Ok(false);
    }
    Ok(a.type_id() == b.type_id() && a.to_string() == b.to_string())
}

fn number(value: &Dynamic) -> Option<f64> {
    value.as_float().ok().or_else(|| value.as_int().ok().map(|n| n as f64))
}

/// A value as a script writes it; a text stands as it is.
pub(super) fn printed(value: &Dynamic) -> String {
    if value.is_string() {
        return value.to_string();
    }
    let mut out = String::new();
    write(&mut out, value, 0);
    out
}

fn write(out: &mut String, value: &Dynamic, depth: usize) {
    if depth > DEEPEST {
        out.push('…');
    } else if let Ok(array) = value.as_array_ref() {
        out.push('[');
        for (i, element) in array.iter().enumerate() {
            out.push_str(if i == 0 { "" } else { ", " });
            write(out, element, depth + 1);
        }
        out.push(']');
    } else if let Ok(map) = value.as_map_ref() {
        out.push_str("#{");
        for (i, (key, element)) in map.iter().enumerate() {
            out.push_str(if i == 0 { "" } else { ", " });
            out.push_str(key);
            out.push_str(": ");
            write(out, element, depth + 1);
        }
        out.push('}');
    } else if let Ok(text) = value.as_immutable_string_ref() {
        out.extend([format!("{:?}", text.as_str())]);
    } else if value.is_unit() {
        out.push_str("()");
    } else {
        out.push_str(&value.to_string());
    }
}

/// An error that is not longer than a model should read.
pub(super) fn shortened(mut text: String) -> String {
    if text.len() > MAX_ERROR {
        text.truncate(text.floor_char_boundary(MAX_ERROR));
        text.push('…');
    }
    text
}

/// A value as an argument of a call.
pub(super) fn json(value: &Dynamic) -> Result<Value, String> {
    json_at(value, 0)
}

fn json_at(value: &Dynamic, depth: usize) -> Result<Value, String> {
    if depth > DEEPEST {
        return Err(TOO_DEEP.to_owned());
    }
    if let Ok(array) = value.as_array_ref() {
        return array
            .iter()
            .map(|element| json_at(element, depth + 1))
            .collect::<Result<Vec<_>, _>>()
            .map(Value::Array);
    }
    if let Ok(map) = value.as_map_ref() {
        let fields = map
            .iter()
            .map(|(key, element)| json_at(element, depth + 1).map(|value| (key.to_string(), value)))
            .collect::<Result<Fields<String, Value>, _>>();
        return fields.map(Value::Object);
    }
    if value.is_unit() {
        return Ok(Value::Null);
    }
    if value.is_string() || value.is_char() {
        return Ok(Value::String(value.to_string()));
    }
    if let Ok(truth) = value.as_bool() {
        return Ok(Value::Bool(truth));
    }
    if let Ok(whole) = value.as_int() {
        return Ok(Value::from(whole));
    }
    match value.as_float() {
        // What was worked out from readings counts as a whole number if it is one: replicas, per cents.
        Ok(float) if float.fract() == 0.0 && float.abs() < 9e15 => Ok(Value::from(float as i64)),
        Ok(float) if float.is_finite() => Ok(Value::from(float)),
        Ok(float) => Err(format!("{float} is not a number that a call can take")),
        Err(kind) => Err(format!("a value of type {kind} cannot be an argument")),
    }
}

/// Series of a `PromQL` answer, as `#{labels, value}`, or of a range as `#{labels, times, values}`.
pub(super) fn rows(data: &Value, limits: &Limits) -> Result<Dynamic, String> {
    let series = series(data);
    let rows: Array = series.iter().map(|series| Dynamic::from_map(row(series))).collect();
    let elements = rows.len() + series.iter().map(|series| 2 * points(series).len()).sum::<usize>();
    let entries: usize = series.iter().map(|series| labels(series).len() + 3).sum();
    if elements > limits.array || entries > limits.map {
        return Err(format!(
            "the answer has {} series, more than a script can hold: aggregate, as in `sum by (name) (...)`, select by a \
             label, or take a longer step",
            rows.len()
        ));
    }
    Ok(rows.into())
}

fn series(data: &Value) -> Vec<Value> {
    match (data["resultType"].as_str(), &data["result"]) {
        (Some("scalar" | "string"), point) => vec![serde_json::json!({"metric": {}, "value": point})],
        (_, Value::Array(series)) => series.clone(),
        _ => Vec::new(),
    }
}

fn labels(series: &Value) -> Map {
    let labels = series["metric"].as_object().into_iter().flatten();
    labels.map(|(name, value)| (name.as_str().into(), value.as_str().unwrap_or_default().into())).collect()
}

/// Those of a range; none of an instant.
fn points(series: &Value) -> &[Value] {
    series["values"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn row(series: &Value) -> Map {
    let mut row = Map::new();
    row.insert("labels".into(), Dynamic::from_map(labels(series)));
    if series["values"].is_array() {
        let times: Array = points(series).iter().map(|point| point[0].as_f64().unwrap_or_default().into()).collect();
        let values: Array = points(series).iter().map(|point| reading(point).into()).collect();
        row.insert("times".into(), times.into());
        row.insert("values".into(), values.into());
    } else {
        row.insert("value".into(), reading(&series["value"]).into());
    }
    row
}

/// The number of a sample.
fn reading(point: &Value) -> f64 {
    point[1].as_str().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
}

/// The first finite number of an instant answer, or nothing.
pub(super) fn first_number(data: &Value) -> Dynamic {
    let numbers = series(data).iter().map(|series| reading(&series["value"])).find(|number| number.is_finite());
    numbers.map_or(Dynamic::UNIT, Into::into)
}
