//! `sockpit calibrate`: an application's profile fitted to a running system.
//!
//! ```text
//! profile ─▶ questions ─▶ Prometheus, minute by minute ─▶ Measured ─▶ calibrate ─▶ FILE, table
//! ```

use std::time::{Duration, SystemTime};

use agents::render::Table;
use anyhow::Context;
use bridge::Prometheus;
use datasets::apps::AppFiles;
use datasets::calibration::{self, Calibration, Figure, LatencyFit, Measured, Point, STEP, ServiceFit};
use datasets::runs;
use sim::app::App;

use crate::arguments::CalibrateOptions;
use crate::episodes::block_on;
use crate::output::{self, Failed};
use crate::progress;

pub(crate) fn run(options: &CalibrateOptions) -> Result<(), Failed> {
    let (app, _) = AppFiles::find(&options.app)?.load(None)?;
    let namespace = namespace(options, &app);
    let measured = block_on(ask(options, &app, &namespace)).map_err(Failed::Run)?;
    let measured = measured.map_err(|error| Failed::Run(error.into()))?;
    let calibration = calibration::calibrate(&app, &measured)?;
    let origin = format!(
        "The profile of {}, calibrated by sockpit to {} of namespace {namespace} in {}.",
        options.app, options.window, options.prometheus
    );
    let file = calibration.file(&origin).context("cannot write the profile").map_err(Failed::Run)?;
    let written =
        runs::write_whole(&options.to, file).with_context(|| format!("cannot write {}", options.to.display()));
    written.map_err(Failed::Run)?;
    output::talk(&format!("{} is written; it says where its numbers come from", options.to.display()));
    if options.json { output::json(&calibration.services) } else { output::data(&text(&calibration)) }
}

/// The one that was named, or that of the manifests.
fn namespace(options: &CalibrateOptions, app: &App) -> String {
    let own = app.objects.deployments.first().map_or("default", |deployment| deployment.meta.namespace.as_str());
    options.namespace.clone().unwrap_or_else(|| own.to_owned())
}

/// Asks everything, oldest minute first.
async fn ask(options: &CalibrateOptions, app: &App, namespace: &str) -> Result<Measured, bridge::Error> {
    let prometheus = Prometheus::new(&options.prometheus);
    let stretches = options.window.0 / STEP.0;
    let questions = calibration::questions(&app.profile, namespace, options.window);
    let now = SystemTime::now();
    let bar = progress::bar(stretches, "minutes");
    let mut measured = Measured::default();
    for stretch in 0..stretches {
        let back = Duration::from_nanos((STEP * (stretches - 1 - stretch)).0);
        let at = now.checked_sub(back).unwrap_or(now);
        for question in &questions {
            // Counters that began anew are looked for in the whole window at once.
            if question.figure == Figure::Resets && stretch + 1 < stretches {
                continue;
            }
            let samples = prometheus.instant(&question.promql, at).await?;
            let points: Vec<Point> =
                samples.into_iter().map(|sample| Point { labels: sample.labels, value: sample.value }).collect();
            measured.take(stretch as usize, question.figure, &points, app, namespace);
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(measured)
}

fn text(calibration: &Calibration) -> String {
    let header = ["SERVICE", "REQUESTS/S", "CORES", "BEFORE", "FITTED", "FACTOR", "RESIDUAL", "KEPT"];
    let mut services = Table::new(header).numbers_from(1);
    let mut latencies = Table::new(["SERVICE", "REQUEST", "MEASURED MS", "EXPLAINED MS", "WAIT MS"]).numbers_from(2);
    for fit in &calibration.services {
        services.row(row(fit));
        for LatencyFit { request, measured_s, explained_s, wait_s } in &fit.latency {
            let ms = |seconds: f64| format!("{:.2}", 1e3 * seconds);
            let wait = wait_s.map_or(String::new(), ms);
            latencies.row([fit.service.clone(), request.clone(), ms(*measured_s), ms(*explained_s), wait]);
        }
    }
    format!("{}\n\n{}", services.text("the app has no services"), latencies.text("no service counts its requests"))
}

fn row(fit: &ServiceFit) -> [String; 8] {
    let cores = |cores: f64| format!("{cores:.4}");
    let factors = fit.factors.iter().map(|factor| match factor.error {
        Some(error) => format!("{:.2} +- {error:.2}", factor.factor),
        None => format!("{:.2}", factor.factor),
    });
    let factors: Vec<String> = factors.collect();
    [
        fit.service.clone(),
        format!("{:.2}", fit.rate),
        cores(fit.cpu),
        cores(fit.cpu_before),
        cores(fit.cpu_fitted),
        if factors.is_empty() { "as it was".to_owned() } else { factors.join(", ") },
        fit.residual.map_or(String::new(), |residual| format!("{:.1} %", 100.0 * residual)),
        // The first is the same of all.
        fit.kept.iter().skip(1).cloned().collect::<Vec<_>>().join("; "),
    ]
}
