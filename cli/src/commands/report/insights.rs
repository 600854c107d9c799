//! What needs each person's rows together, on the terminal.

use kairos_engine::time::Span;
use kairos_insights::Insights;
use kairos_insights::insights::{
    Amounts, AttributionReport, Credits, FunnelReport, HourReport, MicroReport, OrderValueReport, Quantiles, Rate,
    RfmReport,
};

use super::{COHORTS_SHOWN_MAX, FIGURE, NAME, amount};
use crate::terminal::{COLUMNS, Style, shortened, thousands, wrapped};

/// Messages, plays and sources to which most is credited that are shown.
const CREDITED_SHOWN_MAX: usize = 12;
/// Values of a split that are shown.
const SPLITS_SHOWN_MAX: usize = 6;
const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/// From nothing to the most of a map.
const SHADES: [char; 5] = ['·', '░', '▒', '▓', '█'];

/// All of it, for people.
pub(super) fn lines(insights: &Insights, style: Style) -> Vec<String> {
    let mut lines = Vec::new();
    if !insights.macros.is_empty() {
        lines.extend([String::new(), style.bold("Conversions")]);
        for one in &insights.macros {
            lines.push(format!(
                "  {:NAME$}{} people of {} ({}), {} times{}",
                one.name,
                thousands(one.people),
                thousands(insights.people),
                percent(one.rate),
                thousands(one.count),
                worth(&one.value, ", worth "),
            ));
        }
    }
    let (had, nobody): (Vec<_>, Vec<_>) = insights.micros.iter().partition(|micro| micro.people > 0);
    if !had.is_empty() {
        let titles = ["had it", "then", "rate", "without", "rate"].map(|title| format!("{title:>FIGURE$}"));
        lines.extend([
            String::new(),
            style.dim(format!("  {:NAME$}{}  difference, in points", "small step", titles.concat())),
        ]);
        had.iter().for_each(|micro| lines.extend(of_micro(micro, style)));
        let text = "A difference is no effect: who does the one mostly wants the other, too. Experiments tell effects.";
        lines.extend(wrapped(text, COLUMNS - 2).into_iter().map(|text| style.dim(format!("  {text}"))));
    }
    if !nobody.is_empty() {
        let names: Vec<&str> = nobody.iter().map(|micro| &*micro.name).collect();
        lines.push(style.dim(format!("  nobody had: {}", names.join(", "))));
    }
    insights.warnings.iter().for_each(|warning| lines.extend(of_warning(&insights.words(warning), style)));
    for funnel in &insights.funnels {
        lines.extend(of_funnel(funnel, style));
    }
    for report in &insights.attribution {
        lines.extend(of_attribution(report, style));
    }
    lines.extend(of_orders(insights, style));
    if let Some(rfm) = &insights.rfm {
        lines.extend(of_rfm(rfm, style));
    }
    lines.extend(of_hours(&insights.hours, style));
    if insights.churn.len() > 1 {
        lines.extend([
            String::new(),
            style.bold("Who stayed away")
                + ", by the month they were first seen in: people, and in % who was last seen in it and each later one",
        ]);
        for (month, cohort) in insights.churn.iter().rev().take(COHORTS_SHOWN_MAX).rev() {
            let last = cohort.last_seen.iter().take(COHORTS_SHOWN_MAX);
            let last: String = last.map(|people| format!("{:>5.0}", share(*people, cohort.people) * 100.0)).collect();
            lines.push(format!("  {month} {:>9} {last}", thousands(cohort.people)));
        }
    }
    lines
}

fn of_micro(micro: &MicroReport, style: Style) -> Vec<String> {
    let difference = micro.difference.map_or_else(String::new, |difference| {
        let interval = difference.interval;
        format!("{}  ({} to {})", points(difference.estimate), points(interval.low), points(interval.high))
    });
    let figures = [
        thousands(micro.people),
        thousands(micro.reached),
        percent(micro.rate),
        thousands(micro.people_without),
        percent(micro.rate_without),
    ];
    let figures: String = figures.iter().map(|figure| format!("{figure:>FIGURE$}")).collect();
    let name = shortened(&micro.name, NAME);
    let mut lines = vec![format!("  {name:NAME$}{figures}  {difference}").trim_end().to_owned()];
    let mut more = vec![format!("then `{}` within {}", micro.leads_to, micro.within)];
    if !micro.value.0.is_empty() {
        more.push(format!("worth{}", worth(&micro.value, " ")));
    }
    if micro.open > 0 {
        more.push(format!("{} still have time", thousands(micro.open)));
    }
    lines.push(style.dim(format!("    {}", more.join(", "))));
    lines
}

fn of_warning(text: &str, style: Style) -> Vec<String> {
    wrapped(text, COLUMNS - 2).into_iter().map(|text| style.attention(format!("  {text}"))).collect()
}

fn of_funnel(funnel: &FunnelReport, style: Style) -> Vec<String> {
    let title = format!("{}, within {}", funnel.title, funnel.within);
    let mut lines = vec![String::new(), style.bold("Funnel: ") + &title];
    if funnel.steps.first().is_none_or(|step| step.people == 0) {
        lines.push(style.dim("  nobody came to its first step"));
        return lines;
    }
    let titles = ["people", "of first", "of before", "half within"].map(|title| format!("{title:>FIGURE$}  "));
    lines.push(style.dim(format!("  {:NAME$}{}", "step", titles.concat()).trim_end().to_owned()));
    let first = funnel.steps.first().map_or(0, |step| step.people);
    let mut before = first;
    for (number, step) in funnel.steps.iter().enumerate() {
        let mut figures = vec![thousands(step.people)];
        if number > 0 {
            figures.push(format!("{:.1} %", share(step.people, first) * 100.0));
            figures.push(format!("{:.1} %", share(step.people, before) * 100.0));
        }
        figures.extend(step.since_previous.map(|times| rounded(times.median)));
        let figures: String = figures.iter().map(|figure| format!("{figure:>FIGURE$}  ")).collect();
        lines.push(format!("  {:NAME$}{figures}", shortened(&step.name, NAME)).trim_end().to_owned());
        before = step.people;
    }
    let mut by = None;
    let mut shown = 0;
    for split in &funnel.splits {
        if by.replace(split.by) != Some(split.by) {
            lines.push(style.dim(format!("  by {}", split.by.as_str())));
            shown = 0;
        }
        shown += 1;
        if shown > SPLITS_SHOWN_MAX {
            continue;
        }
        let people: String = split.people.iter().map(|people| format!("{:>FIGURE$}  ", thousands(*people))).collect();
        lines.push(
            format!("    {:width$}{people}", shortened(&split.value, NAME - 2), width = NAME - 2).trim_end().to_owned(),
        );
    }
    lines
}

fn of_attribution(report: &AttributionReport, style: Style) -> Vec<String> {
    if report.total.conversion_micros == 0 {
        return Vec::new();
    }
    let mut lines = vec![
        String::new(),
        style.bold(format!("Credit for `{}`", report.conversion))
            + &format!(
                ", {} before: {:.0}{}",
                report.window,
                report.total.conversions(),
                worth(&report.total.value, ", worth ")
            ),
    ];
    let shared = report.model.replace('_', " ");
    let titles = format!("{:>FIGURE$}{:>16}  {:>14}", "last", shared, "worth");
    let messages =
        report.messages.iter().map(|one| (format!("{}, {} by {}", one.play, one.message, one.channel), &one.credits));
    let channels = report.channels.iter().map(|(channel, credits)| (channel.to_string(), credits));
    let sources = report.sources.iter().map(|(source, credits)| (source.clone(), credits));
    let touch = report.touch.as_str();
    let groups = [
        (format!("messages that were {touch}"), messages.collect::<Vec<_>>(), report.without_message.conversions()),
        ("their channels".to_owned(), channels.collect(), 0.0),
        ("traffic sources".to_owned(), sources.collect(), report.without_visit.conversions()),
    ];
    for (title, mut credited, without) in groups {
        if credited.is_empty() {
            continue;
        }
        credited.sort_by_key(|(_, credits)| std::cmp::Reverse(credits.shared.conversion_micros));
        lines.push(style.dim(format!("  {:width$}{titles}", title, width = 2 * NAME)));
        for (name, credits) in credited.iter().take(CREDITED_SHOWN_MAX) {
            lines.push(of_credits(name, credits));
        }
        if without > 0.0 {
            lines.push(style.dim(format!("  {:width$}{without:>FIGURE$.0}", "none before", width = 2 * NAME)));
        }
    }
    lines
}

fn of_credits(name: &str, credits: &Credits) -> String {
    let name = shortened(name, 2 * NAME - 1);
    let width = 2 * NAME;
    let (last, shared) = (credits.last.conversions(), credits.shared.conversions());
    format!("  {name:width$}{last:>FIGURE$.0}{shared:>16.1}  {:>14}", worth(&credits.shared.value, ""))
        .trim_end()
        .to_owned()
}

fn of_orders(insights: &Insights, style: Style) -> Vec<String> {
    let mut lines = Vec::new();
    for (currency, values) in &insights.order_values {
        let OrderValueReport { after_message, without, difference } = values;
        let average = |of: Option<f64>| of.map_or_else(|| "–".to_owned(), |average| format!("{average:.2}"));
        let difference = difference.map_or_else(String::new, |difference| {
            format!(
                " (difference {:+.2}, {:+.2} to {:+.2})",
                difference.estimate, difference.interval.low, difference.interval.high
            )
        });
        lines.push(format!(
            "  {} orders behind a message, {} {currency} on average; {} without, {}{difference}",
            thousands(after_message.count),
            average(after_message.average()),
            thousands(without.count),
            average(without.average()),
        ));
    }
    lines.extend(
        insights.first_interaction_to_order.map(|times| took("from the first thing done to the first order", times)),
    );
    lines.extend(insights.message_to_order.map(|times| took("from a message to the order", times)));
    for one in &insights.redemptions {
        lines.push(format!(
            "  {} promo codes of `{}` used {}{}",
            thousands(one.count),
            one.promotion,
            if one.channel == "store" { "in store" } else { "online" },
            worth(&one.discount, ", taken off "),
        ));
    }
    if !lines.is_empty() {
        lines.splice(0..0, [String::new(), style.bold("Orders")]);
    }
    lines
}

fn took(what: &str, times: Quantiles) -> String {
    format!("  {what}: half within {}, nine of ten within {}", rounded(times.median), rounded(times.p90))
}

/// Recency by frequency: people, and what they brought.
fn of_rfm(rfm: &RfmReport, style: Style) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        style.bold("Who buys")
            + &format!(", in fifths of {} people: people, and {} they brought", thousands(rfm.people), rfm.currency),
    ];
    let titles: String = (1..=5).map(|frequency| format!("{:>16}", format!("often {frequency}"))).collect();
    lines.push(style.dim(format!("  {:11}{titles}", "")));
    for recency in (1..=5).rev() {
        let cells: String = (1..=5)
            .map(|frequency| {
                let of = rfm.cells.iter().filter(|cell| (cell.recency, cell.frequency) == (recency, frequency));
                let (people, revenue) = of.fold((0, 0), |sum, cell| (sum.0 + cell.people, sum.1 + cell.revenue.get()));
                match people {
                    0 => format!("{:>16}", "–"),
                    _ => format!(
                        "{:>16}",
                        format!("{} {:>9}", thousands(people), thousands((revenue / 1_000_000).unsigned_abs()))
                    ),
                }
            })
            .collect();
        lines.push(format!("  lately {recency:<4}{cells}"));
    }
    lines
}

fn of_hours(hours: &HourReport, style: Style) -> Vec<String> {
    let mut lines = Vec::new();
    for (what, map) in [("Visits", &hours.visits), ("Orders", &hours.orders)] {
        let most = map.iter().flatten().copied().max().unwrap_or_default();
        if most == 0 {
            continue;
        }
        lines.extend([
            String::new(),
            style.bold(what)
                + &format!(" by weekday and hour, {}; at most {} in one", hours.time_zone, thousands(most)),
        ]);
        for (weekday, of) in WEEKDAYS.iter().zip(map) {
            // From none to the most in equal steps, but whatever there is is seen.
            let shade = |count: &u64| SHADES[(count * 4).div_ceil(most) as usize];
            lines.push(format!("  {weekday} {}", of.iter().map(shade).collect::<String>()));
        }
        lines.push(style.dim("      0     6     12    18"));
    }
    lines
}

fn share(of: u64, among: u64) -> f64 {
    if among == 0 { 0.0 } else { of as f64 / among as f64 }
}

fn percent(rate: Option<Rate>) -> String {
    rate.map_or_else(|| "–".to_owned(), |rate| format!("{:.1} %", rate.estimate * 100.0))
}

fn points(share: f64) -> String {
    format!("{:+.1}", share * 100.0).replace('-', "−")
}

fn worth(amounts: &Amounts, before: &str) -> String {
    let each: Vec<String> = amounts
        .0
        .iter()
        .map(|(currency, value)| format!("{} {currency}", amount(value.get())).trim_end().to_owned())
        .collect();
    if each.is_empty() { String::new() } else { format!("{before}{}", each.join(" and ")) }
}

/// A length of time in its largest unit and the next one.
fn rounded(span: Span) -> String {
    let minutes = span.as_millis() / 60_000;
    match minutes {
        0 => format!("{} s", span.as_millis() / 1_000),
        1..60 => format!("{minutes} min"),
        60..1_440 => format!("{} h {} min", minutes / 60, minutes % 60),
        _ => format!("{} d {} h", minutes / 1_440, minutes % 1_440 / 60),
    }
}
