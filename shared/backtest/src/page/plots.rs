//! The plots: SVG that fills its box, so that it reads on a phone and on a wall. Words stand beside it as
//! HTML, because they must not be stretched.

use std::fmt::Write as _;

use super::{Part, escaped};
use crate::table::thousands;
use crate::tally::Hours;

/// Height of a plot in its own units.
const HEIGHT: f64 = 100.0;

/// A day of a plot.
#[derive(Clone, Debug, Default)]
pub(super) struct DayBar {
    pub(super) day: String,
    pub(super) sent: u64,
    pub(super) held_out: u64,
    pub(super) converted: u64,
    /// Messages with the playbook that is compared with.
    pub(super) before: Option<u64>,
}

/// Longer recordings are drawn by week: a day would be thinner than a line.
pub(super) const DAYS_DRAWN_MAX: usize = 120;

/// Sums of seven days each.
pub(super) fn weeks(days: &[DayBar]) -> Vec<DayBar> {
    let sum = |week: &[DayBar], count: fn(&DayBar) -> u64| week.iter().map(count).sum();
    let week = |week: &[DayBar]| DayBar {
        day: week[0].day.clone(),
        sent: sum(week, |day| day.sent),
        held_out: sum(week, |day| day.held_out),
        converted: sum(week, |day| day.converted),
        before: week[0].before.map(|_| sum(week, |day| day.before.unwrap_or(0))),
    };
    days.chunks(7).map(week).collect()
}

/// Messages by day, with what they led to.
pub(super) fn days(days: &[DayBar]) -> String {
    let top = days
        .iter()
        .map(|day| (day.sent + day.held_out).max(day.converted).max(day.before.unwrap_or(0)))
        .max()
        .unwrap_or(0);
    let (step, top) = ticks(top);
    let y = |value: u64| HEIGHT - value as f64 * HEIGHT / top as f64;
    let mut ticks = String::new();
    let mut grid = String::new();
    for value in (0..=top).step_by(step as usize) {
        let _ = write!(ticks, r#"<span class="tick" style="top:{:.2}%">{}</span>"#, y(value), compact(value));
        let _ = write!(grid, r#"<line class="grid" x1="0" x2="{}" y1="{1:.2}" y2="{1:.2}"/>"#, days.len(), y(value));
    }
    let mut bars = String::new();
    let mut hits = String::new();
    for (index, day) in days.iter().enumerate() {
        let x = index as f64 + 0.1;
        for (from, count, colour) in [(0, day.sent, "sent"), (day.sent, day.held_out, "held-out")] {
            if count > 0 {
                let (above, height) = (y(from + count), y(from) - y(from + count));
                let _ = write!(
                    bars,
                    r#"<rect x="{x:.1}" y="{above:.2}" width=".8" height="{height:.2}" fill="var(--{colour})"/>"#
                );
            }
        }
        let mut says = format!("{}: {} sent", day.day, thousands(day.sent));
        for (count, what) in [(day.held_out, "held out"), (day.converted, "converted")] {
            if count > 0 {
                let _ = write!(says, ", {} {what}", thousands(count));
            }
        }
        if let Some(before) = day.before {
            let _ = write!(says, ", {} sent before", thousands(before));
        }
        let _ = write!(
            hits,
            r#"<rect class="hit" x="{index}" y="0" width="1" height="100"><title>{}</title></rect>"#,
            escaped(&says)
        );
    }
    let line = |class: &str, values: Vec<u64>| {
        let point = |(index, value): (usize, &u64)| format!("{:.1},{:.2}", index as f64 + 0.5, y(*value));
        let points = match &values[..] {
            // A line needs two points: a single day gets a short one.
            [only] => format!("0.2,{0:.2} 0.8,{0:.2}", y(*only)),
            _ => values.iter().enumerate().map(point).collect::<Vec<_>>().join(" "),
        };
        format!(r#"<polyline class="{class}" points="{points}"/>"#)
    };
    let mut lines = String::new();
    if days.iter().any(|day| day.converted > 0) {
        let converted: Vec<u64> = days.iter().map(|day| day.converted).collect();
        // What is under it would swallow the line.
        lines.push_str(&line("halo", converted.clone()));
        lines.push_str(&line("stroke-converted", converted));
    }
    if days.iter().any(|day| day.before.is_some()) {
        lines.push_str(&line("stroke-before", days.iter().map(|day| day.before.unwrap_or(0)).collect()));
    }
    let labels: String =
        labelled(days.len()).into_iter().map(|index| format!("<span>{}</span>", days[index].day)).collect();
    format!(
        r#"<div class="plot">{ticks}<svg viewBox="0 0 {} 100" preserveAspectRatio="none" role="img" aria-label="Messages by day">{grid}{bars}{lines}{hits}</svg></div><div class="days">{labels}</div>"#,
        days.len().max(1)
    )
}

/// The days that get a label: the first, the last, and one between when there is room.
fn labelled(days: usize) -> Vec<usize> {
    match days {
        0 => Vec::new(),
        1 => vec![0],
        2 => vec![0, 1],
        _ => vec![0, days / 2, days - 1],
    }
}

/// A round step, and a round top that is at least `max`.
fn ticks(max: u64) -> (u64, u64) {
    let max = max.max(1);
    let rough = max.div_ceil(4);
    let power = 10_u64.pow(rough.ilog10());
    let step = [1, 2, 5, 10].into_iter().map(|factor| factor * power).find(|step| *step >= rough).unwrap_or(rough);
    (step, max.div_ceil(step) * step)
}

fn compact(value: u64) -> String {
    let short = |units: u64, unit: &str| match (value * 10 / units) % 10 {
        0 => format!("{}{unit}", value / units),
        tenth => format!("{}.{tenth}{unit}", value / units),
    };
    match value {
        0..10_000 => thousands(value),
        10_000..1_000_000 => short(1_000, "k"),
        _ => short(1_000_000, "m"),
    }
}

/// Messages by weekday and hour.
pub(super) fn hours(hours: &Hours) -> String {
    const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let max = hours.as_flattened().iter().copied().max().unwrap_or(0).max(1);
    let mut cells = String::new();
    for (weekday, counts) in hours.iter().enumerate() {
        for (hour, count) in counts.iter().enumerate() {
            let fill = match count {
                0 => r#"fill="var(--track)""#.to_owned(),
                // Square roots, so that small numbers are seen beside large ones.
                count => {
                    let share = (*count as f64 / max as f64).sqrt();
                    format!(r#"fill="var(--sent)" fill-opacity="{:.2}""#, 0.15 + 0.85 * share)
                }
            };
            let says = format!("{} {hour:02}:00–{hour:02}:59: {} sent", WEEKDAYS[weekday], thousands(*count));
            let _ = write!(
                cells,
                r#"<rect x="{hour}.04" y="{weekday}.06" width=".92" height=".88" {fill}><title>{says}</title></rect>"#
            );
        }
    }
    let weekdays: String = WEEKDAYS.iter().map(|weekday| format!("<span>{weekday}</span>")).collect();
    format!(
        r#"<div class="hours"><div class="weekdays">{weekdays}</div><svg viewBox="0 0 24 7" preserveAspectRatio="none" role="img" aria-label="Messages by weekday and hour">{cells}</svg><div class="clock"><span>0:00</span><span>6:00</span><span>12:00</span><span>18:00</span></div></div>"#
    )
}

/// What became of all moments, as one bar.
pub(super) fn shares(parts: &[Part]) -> String {
    let total: u64 = parts.iter().map(|part| part.count).sum();
    let mut bar = String::new();
    let mut legend = String::new();
    let mut x = 0.0;
    for Part { title, count, colour } in parts.iter().filter(|part| part.count > 0) {
        let percent = *count as f64 * 100.0 / total.max(1) as f64;
        let title = escaped(title);
        let _ = write!(
            bar,
            r#"<rect x="{x:.3}" y="0" width="{percent:.3}" height="1" fill="var(--{colour})"><title>{title}: {}</title></rect>"#,
            thousands(*count)
        );
        x += percent;
        let _ = write!(
            legend,
            r#"<li><i style="background:var(--{colour})"></i><span>{title}</span><b>{}</b><span class="soft" style="flex:0 0 54px;text-align:right;white-space:nowrap">{}</span></li>"#,
            thousands(*count),
            super::percent(*count, total)
        );
    }
    format!(
        r#"<div class="share"><svg viewBox="0 0 100 1" preserveAspectRatio="none" role="img" aria-label="What became of the moments">{bar}</svg></div><ul class="legend">{legend}</ul>"#
    )
}

/// Two bars, before above after.
pub(super) fn pair(before: u64, after: u64, max: u64) -> String {
    let width = |value: u64| value as f64 * 100.0 / max.max(1) as f64;
    format!(
        r#"<svg viewBox="0 0 100 28" preserveAspectRatio="none" role="img" aria-label="{before} before, {after} after"><rect x="0" y="3" width="{:.2}" height="9" fill="var(--before)" fill-opacity=".55"/><rect x="0" y="15" width="{:.2}" height="9" fill="var(--sent)"/></svg>"#,
        width(before),
        width(after)
    )
}

/// Entries above, exits below, by day.
pub(super) fn changes(days: &[(String, u64, u64)]) -> String {
    let max = days.iter().map(|(_, entries, exits)| (*entries).max(*exits)).max().unwrap_or(0).max(1);
    let height = |count: u64| count as f64 * 14.0 / max as f64;
    let mut bars = String::new();
    for (index, (day, entries, exits)) in days.iter().enumerate() {
        let _ = write!(
            bars,
            r#"<g><title>{day}: {} in, {} out</title><rect x="{index}.1" y="{:.2}" width=".8" height="{:.2}" fill="var(--converted)"/><rect x="{index}.1" y="14" width=".8" height="{:.2}" fill="var(--r2)"/></g>"#,
            thousands(*entries),
            thousands(*exits),
            14.0 - height(*entries),
            height(*entries),
            height(*exits)
        );
    }
    format!(
        r#"<svg viewBox="0 0 {0} 28" preserveAspectRatio="none" role="img" aria-label="Entries and exits by day"><line class="grid" x1="0" x2="{0}" y1="14" y2="14"/>{bars}</svg>"#,
        days.len().max(1)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_round_steps_and_room_for_the_largest_value() {
        for (max, step, top) in [(0, 1, 1), (3, 1, 3), (7, 2, 8), (40, 10, 40), (41, 20, 60), (12_345, 5_000, 15_000)] {
            assert_eq!(ticks(max), (step, top), "{max}");
        }
        assert_eq!(
            (compact(9_999), compact(15_000), compact(12_500), compact(2_000_000)),
            ("9,999".into(), "15k".into(), "12.5k".into(), "2m".into())
        );
    }
}
