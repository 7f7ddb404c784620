//! Figures over rounds, in the form every scenario prints.

use serde_json::{Map, Value, json};

/// One figure of one arm, a value a round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figure(Vec<f64>);

impl Figure {
    /// Adds a round's value.
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The middle value.
    #[must_use]
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// Minimum, median and maximum.
    #[must_use]
    pub(crate) fn spread(&self) -> Value {
        let extreme = |pick: fn(f64, f64) -> f64| self.0.iter().copied().reduce(pick);
        let round = |value: f64| (value * 100.0).round() / 100.0;
        json!({
            "min": extreme(f64::min).map(round),
            "median": round(self.median()),
            "max": extreme(f64::max).map(round),
        })
    }
}

/// The figures of one arm.
#[must_use]
pub(crate) fn arm(figures: &[(&str, &Figure)]) -> Value {
    let figures: Map<String, Value> =
        figures.iter().map(|(name, figure)| ((*name).to_owned(), figure.spread())).collect();
    Value::Object(figures)
}
