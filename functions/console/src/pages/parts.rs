//! What several pages have in common: tiles, rates, names.

use kairos_engine::playbook::Playbook;
use kairos_insights::counts::{Amounts, Tallies, UNKNOWN};

use crate::format::{self, NOTHING, share};
use crate::tables::Cell;

/// A figure by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tile {
    /// What it is.
    pub(super) label: String,
    /// The figure.
    pub(super) value: String,
    /// More about it.
    pub(super) beside: String,
    /// How it compares with the days before: `up`, `down` or nothing, and the words.
    pub(super) change: Option<(&'static str, String)>,
}

impl Tile {
    pub(super) fn new(label: &str, value: String, beside: String) -> Self {
        Self { label: label.to_owned(), value, beside, change: None }
    }

    /// The same with a comparison with as many days before.
    pub(super) fn against(mut self, now: f64, before: Option<f64>) -> Self {
        self.change = before.and_then(|before| change(now, before));
        self
    }
}

/// How much more or less than before.
fn change(now: f64, before: f64) -> Option<(&'static str, String)> {
    if before <= 0.0 {
        return None;
    }
    let part = now / before - 1.0;
    let words = match part {
        part if part.abs() < 0.005 => return Some(("", "same as before".to_owned())),
        part if part > 9.99 => "▲ more than ten times".to_owned(),
        part if part > 0.0 => format!("▲ {:.0}% more", part * 100.0),
        part => format!("▼ {:.0}% less", -part * 100.0),
    };
    Some((if part > 0.0 { "up" } else { "down" }, words))
}

/// All amounts, each in its currency.
pub(super) fn amounts(amounts: &Amounts) -> String {
    let all: Vec<String> = amounts
        .iter()
        .map(|(currency, amount)| format::money_short(amount.value, if currency == UNKNOWN { "" } else { currency }))
        .collect();
    if all.is_empty() { NOTHING.to_owned() } else { all.join(" + ") }
}

/// The amount of the currency of most, as a cell.
pub(super) fn amount_cell(amounts: &Amounts) -> Cell {
    match crate::lens::main_currency(amounts) {
        Some(currency) => Cell::Money(crate::lens::amount(amounts, &currency), currency),
        None if amounts.is_empty() => Cell::Nothing,
        None => Cell::Money(crate::lens::amount(amounts, UNKNOWN), String::new()),
    }
}

/// Of how many messages opens and clicks are a part: those that have arrived, where providers tell; else those sent.
pub(super) fn reached(tallies: &Tallies) -> u64 {
    if tallies.delivered > 0 { tallies.delivered } else { tallies.sent }
}

/// The rate of opens or clicks; none where more were opened than are known to have arrived.
pub(super) fn rate(part: u64, tallies: &Tallies) -> Option<f64> {
    share(part, reached(tallies)).filter(|rate| *rate <= 1.0)
}

/// Messages that did not arrive, for whatever reason.
pub(super) fn lost(tallies: &Tallies) -> u64 {
    tallies.undeliverable + tallies.refused + tallies.expired + tallies.failed
}

/// The title of a play, or its name where the playbook has none.
pub(super) fn play_title(playbook: &Playbook, name: &str) -> String {
    match playbook.play(name) {
        Some(play) if !play.title.is_empty() => play.title.clone(),
        _ => format::title(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_compared_with_the_days_before_where_there_were_any() {
        for (now, before, expected) in [
            (110.0, 100.0, Some(("up", "▲ 10% more".to_owned()))),
            (50.0, 100.0, Some(("down", "▼ 50% less".to_owned()))),
            (100.0, 100.0, Some(("", "same as before".to_owned()))),
            (5_000.0, 10.0, Some(("up", "▲ more than ten times".to_owned()))),
            (10.0, 0.0, None),
        ] {
            assert_eq!(change(now, before), expected);
        }
    }
}
