//! The figures of a load for people.

use agents::render::Table;
use load::{Report, RequestReport, WindowReport};

use crate::commands::figures::{ms, percent, rate};

pub(super) fn text(load: &str, report: &Report) -> String {
    let mut parts = vec![header(load, report)];
    if !report.windows.is_empty() {
        parts.push(windows(&report.windows));
    }
    parts.push(requests(report));
    let reasons = reasons(&report.total);
    if !reasons.is_empty() {
        parts.push(reasons);
    }
    parts.join("\n\n")
}

fn header(load: &str, report: &Report) -> String {
    let generator = &report.generator;
    let mut lines = vec![
        format!("{load}, seed {}", report.seed),
        format!(
            "{:.1} s measured after {:.1} s of warm-up; {} users started, {} connections opened",
            report.measured_s, report.warm_up_s, report.users_started, report.connections
        ),
        format!(
            "generator: {} of one core; timers late by {} ms in the median, {} ms in one of a hundred cases, {} ms at \
             worst",
            percent(generator.cpu_cores),
            ms(generator.lateness.p50_ms),
            ms(generator.lateness.p99_ms),
            ms(generator.lateness.max_ms),
        ),
    ];
    if let Some(oldest) = report.oldest_unfinished_ms {
        lines.push(format!(
            "{} requests were under way at the end, the oldest for {} ms; they are in no figure",
            report.unfinished,
            ms(Some(oldest))
        ));
    }
    lines.join("\n")
}

fn requests(report: &Report) -> String {
    let mut table = Table::new([
        "REQUEST", "TO", "COUNT", "REQ/S", "ERRORS", "4XX", "MEAN", "P50", "P90", "P99", "MAX", "DUE MEAN", "DUE P99",
    ])
    .numbers_from(2);
    let total = std::iter::once(&report.total).filter(|_| report.requests.len() > 1);
    for request in report.requests.iter().chain(total) {
        table.row([
            request.request.clone(),
            request.service.clone(),
            request.count.to_string(),
            rate(request.rps),
            percent(request.error_rate),
            percent(request.client_error_rate),
            ms(request.mean_ms),
            ms(request.p50_ms),
            ms(request.p90_ms),
            ms(request.p99_ms),
            ms(request.max_ms),
            ms(request.from_due.mean_ms),
            ms(request.from_due.p99_ms),
        ]);
    }
    format!(
        "Requests: in ms from their sending, DUE from when they should have been sent; ERRORS are 5xx and no \
         answer.\n\n{}",
        table.text("nothing was sent")
    )
}

/// What was answered with an error, and why the rest was not.
fn reasons(total: &RequestReport) -> String {
    let statuses = total.statuses.iter().filter(|(status, _)| **status >= 400);
    let statuses = statuses.map(|(status, count)| format!("{count} times status {status}"));
    let failures = total.failures.iter().map(|(failure, count)| format!("{count} times {failure}"));
    let all: Vec<String> = statuses.chain(failures).collect();
    if all.is_empty() { String::new() } else { format!("Errors: {}", all.join(", ")) }
}

fn windows(windows: &[WindowReport]) -> String {
    let mut table = Table::new(["FROM s", "USERS", "REQ/S", "ERRORS", "P50", "P99", "DUE P99"]).numbers_from(0);
    for window in windows {
        table.row([
            window.from_s.to_string(),
            window.users.to_string(),
            rate(window.rps),
            percent(window.error_rate),
            ms(window.p50_ms),
            ms(window.p99_ms),
            ms(window.from_due_p99_ms),
        ]);
    }
    table.text("")
}
