//! Which series a set of label matchers selects.

use promql_parser::label::{MatchOp, Matcher};

use super::{METRIC_NAME, SeriesIx, Store, Target, TargetIx};

impl Store {
    /// The series that every matcher accepts, sorted by label set. A label that a series does not
    /// have matches as the empty string, and regular expressions match whole values, as in Prometheus.
    pub fn select(&self, matchers: &[Matcher]) -> Vec<SeriesIx> {
        let mut selected: Vec<SeriesIx> = Vec::new();
        for (target, data) in self.targets().zip(&self.targets) {
            data.select(target, matchers, &mut selected);
        }
        selected.sort_by(|&a, &b| self.labels(a).cmp(self.labels(b)));
        selected
    }
}

impl Target {
    fn select(&self, target: TargetIx, matchers: &[Matcher], selected: &mut Vec<SeriesIx>) {
        // A label of the target has the same value on all its series, so one test decides for all.
        let (shared, own): (Vec<&Matcher>, Vec<&Matcher>) =
            matchers.iter().partition(|m| !self.schema.target.get(&m.name).is_empty());
        if !shared.iter().all(|m| m.is_match(self.schema.target.get(&m.name))) {
            return;
        }
        let (by_name, by_label): (Vec<&Matcher>, Vec<&Matcher>) = own.into_iter().partition(|m| m.name == METRIC_NAME);
        let mut take = |name: &str| {
            let columns = self.schema.by_name.get(name).into_iter().flatten();
            let matching = columns.filter(|(labels, _)| by_label.iter().all(|m| m.is_match(labels.get(&m.name))));
            selected.extend(matching.map(|(_, &column)| SeriesIx { target, column }));
        };
        let accepted = |name: &str| by_name.iter().all(|m| m.is_match(name));
        match by_name.iter().find(|m| m.op == MatchOp::Equal) {
            Some(exact) if accepted(&exact.value) => take(&exact.value),
            Some(_) => {}
            None => self.schema.by_name.keys().filter(|name| accepted(name)).for_each(|name| take(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use promql_parser::parser::{self, Expr};

    use super::*;

    fn select(store: &Store, selector: &str) -> Vec<String> {
        let Expr::VectorSelector(parsed) = parser::parse(selector).unwrap() else { panic!("{selector}") };
        let mut matchers = parsed.matchers.matchers;
        matchers.extend(parsed.name.map(|name| Matcher::new(MatchOp::Equal, METRIC_NAME, &name)));
        store.select(&matchers).into_iter().map(|series| store.labels(series).to_string()).collect()
    }

    #[test]
    fn matchers_select_as_in_prometheus() {
        let mut store = Store::new();
        for (name, version) in [("user", ""), ("carts", "0.4.8")] {
            let target = store.add_target(&[("name", name), ("version", version)]);
            store.add_series(target, "up", &[]);
            store.add_series(target, "hits", &[("route", "/b")]);
            store.add_series(target, "hits", &[("route", "/a")]);
        }
        let check = |selector: &str, expected: &[&str]| {
            assert_eq!(select(&store, selector), expected, "{selector}");
        };
        check("up", &[r#"up{name="carts", version="0.4.8"}"#, r#"up{name="user"}"#]);
        check("down", &[]);
        check(r#"hits{name="user"}"#, &[r#"hits{name="user", route="/a"}"#, r#"hits{name="user", route="/b"}"#]);
        check(r#"hits{name="user",route!="/a"}"#, &[r#"hits{name="user", route="/b"}"#]);
        check(r#"up{name=~"us|car"}"#, &[]);
        check(r#"up{name=~"us.*|car"}"#, &[r#"up{name="user"}"#]);
        check(r#"up{version=""}"#, &[r#"up{name="user"}"#]);
        check(r#"up{version!=""}"#, &[r#"up{name="carts", version="0.4.8"}"#]);
        check(r#"up{version!~".+"}"#, &[r#"up{name="user"}"#]);
        check(r#"{__name__=~"h.*",name="user",route="/a"}"#, &[r#"hits{name="user", route="/a"}"#]);
        check(r#"{__name__="up",__name__!="up",name="user"}"#, &[]);
    }
}
