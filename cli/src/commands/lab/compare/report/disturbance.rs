//! What the disturbance did, side by side.

use agents::render::Table;
use serde::Serialize;

use crate::commands::figures::none;
use crate::commands::lab::compare::story::{Row, Seen};
use crate::commands::lab::compare::times::{Lapse, Time};

/// When it came, in seconds since the load began on each side's own clock.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct DisturbedAt {
    pub(super) twin: f64,
    pub(super) lab: f64,
}

/// The times, what they were read off, and everything that happened.
pub(super) fn text(at: DisturbedAt, times: &[Time], happened: &[Row]) -> [String; 2] {
    let mut summary = Table::new(["TIME", "WHAT WAS SEEN THEN", "TWIN s", "LAB s"]).numbers_from(2);
    for time in times {
        let (name, twin, lab) = (time.what.name().to_owned(), time.middle(), &time.lab);
        if twin.why == lab.why {
            summary.row([name, twin.why.clone(), plays(time), lapse(lab)]);
        } else {
            summary.row([name.clone(), twin.why.clone(), plays(time), String::new()]);
            summary.row([name, lab.why.clone(), String::new(), lapse(lab)]);
        }
    }
    let mut story = Table::new(["COMPONENT", "WHAT HAPPENED", "TWIN s", "LAB s"]).numbers_from(2);
    for Row { component, what, twin, lab } in happened {
        story.row([component.clone(), what.to_string(), seen(*twin), seen(*lab)]);
    }
    let intro = format!(
        "disturbed {:.3} s (twin) and {:.3} s (lab) after the load began; all times in seconds since then",
        at.twin, at.lab
    );
    [format!("{intro}\n\n{}", summary.text("")), story.text("nothing happened to the objects")]
}

/// The middle one of the twin's, and from where to where they lie.
fn plays(time: &Time) -> String {
    let [middle, shortest, longest] =
        [Some(time.middle()), time.twin.first(), time.twin.last()].map(|of| of.map(lapse));
    let ends = shortest.zip(longest).filter(|(shortest, longest)| shortest != longest);
    let range = ends.map(|(shortest, longest)| format!(" ({shortest} to {longest})"));
    [middle, range].into_iter().flatten().collect()
}

fn lapse(lapse: &Lapse) -> String {
    lapse.seconds.map_or_else(none, |seconds| format!("{seconds:.3}"))
}

/// When, and how often if that was more than once.
fn seen(seen: Option<Seen>) -> String {
    match seen {
        None => none(),
        Some(Seen { at_s, count: 1 }) => format!("{at_s:.3}"),
        Some(Seen { at_s, count }) => format!("{count} × from {at_s:.3}"),
    }
}
