//! The figures of a shop with a million users: every list of names is as long as it may be.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use futures_util::stream;
use kairos_cloud::figures::FiguresTable;
use kairos_cloud::reports::ReportsBucket;
use kairos_engine::bounds::{FIGURES_PER_PLAY_MAX, FIGURES_SOURCES_MAX, FIGURES_SOURCES_PER_PLAY_MAX};
use kairos_engine::money::Micros;
use kairos_engine::playbook::{Playbook, Step};
use kairos_engine::time::{Span, Timestamp};
use kairos_insights::counts::{Amount, Counts, Orders, Tallies};
use kairos_insights::experiments::Comparison;
use kairos_insights::figures::{Figures, Period};
use kairos_insights::insights::{
    FunnelReport, FunnelStepReport, Insights, MicroReport, Quantiles, Rate, Warning, WarningKind,
};
use kairos_insights::{LeftOut, Report, STORED_REPORT_VERSION, StoredReport};
use kairos_protocol::figures::FiguresStore;
use kairos_statistics::incremental::Baseline;
use kairos_statistics::rates::wilson;
use kairos_statistics::{Experiment, Level, Sample, Variant};

use crate::harness::Stage;
use crate::harness::shopper::now;

/// Days of figures.
const DAYS: i64 = 60;
/// Days of which the hours are there as well.
const HOURLY_DAYS: i64 = 16;
/// Writes at the same time.
const LANES: usize = 16;

/// A traffic source that somebody has made up to do harm.
pub(super) const HOSTILE: &str = "\"><script>alert(1)</script>";
/// Another one, for spreadsheets.
pub(super) const FORMULA: &str = "=HYPERLINK(\"http://evil.example\")";

/// Fills the table of figures and the bucket of reports.
pub(super) async fn fill(stage: &Stage, playbook: &Playbook) {
    let table = FiguresTable::new(stage.dynamodb.clone(), stage.output("FiguresTable").to_owned());
    let now = now();
    let Period::Day(today) = Period::day(now) else { unreachable!() };
    let day = Span::from_hours(24);
    let mut items = Vec::new();
    for back in 0..DAYS {
        let start = today.minus(Span::from_millis(day.as_millis() * back));
        let hours = Period::Day(start).hours().filter(|hour| hour.start() <= now);
        if back > 0 {
            items.push((Period::Day(start), 24));
        }
        if back < HOURLY_DAYS {
            items.extend(hours.map(|hour| (hour, 1)));
        }
    }
    let table = &table;
    let written = stream::iter(items).map(async |(period, hours)| {
        let figures = Figures { counts: counts(playbook, period.start(), hours), revision: 1, ..Figures::default() };
        table.save(period, &figures, None).await.unwrap()
    });
    assert!(written.buffer_unordered(LANES).all(async |written| written).await, "nobody else writes figures");
    let reports = ReportsBucket::new(&stage.config, stage.output("ArchiveBucket").to_owned());
    reports.keep(&report(playbook, now), "2026-11-22").await.unwrap();
}

/// A number that depends on the time as a shop does, and on the name.
fn wave(at: Timestamp, hours: u64, scale: u64, name: &str) -> u64 {
    let hour = (at.as_millis() / 3_600_000).rem_euclid(24) as f64;
    let day = (at.as_millis() / 86_400_000).rem_euclid(7) as f64;
    let shape = if hours > 1 { 0.6 } else { 0.5 - 0.5 * ((hour - 2.0) / 24.0 * std::f64::consts::TAU).cos() };
    let week = 1.0 + 0.25 * (day / 7.0 * std::f64::consts::TAU).sin();
    let own = 0.3 + name.bytes().map(u64::from).sum::<u64>() as f64 % 70.0 / 100.0;
    ((scale * hours) as f64 * shape * week * own) as u64
}

fn amount(count: u64, each: u64) -> Amount {
    Amount { count, value: Micros::new((count * each * 1_000_000) as i64) }
}

fn tallies(sent: u64) -> Tallies {
    let mut tallies = Tallies {
        considered: sent * 2,
        sent,
        held_out: sent / 10,
        delivered: sent * 97 / 100,
        opened: sent * 41 / 100,
        clicked: sent * 9 / 100,
        converted: sent * 4 / 100,
        converted_held_out: sent / 400,
        unsubscribed: sent / 500,
        failed: sent / 200,
        ..Tallies::default()
    };
    *tallies.value.of("EUR") = amount(tallies.converted, 58);
    tallies
}

fn orders(orders: u64) -> Orders {
    let mut all = Orders { orders, after_message: orders * 3 / 10, refunds: orders / 40, ..Orders::default() };
    *all.value.of("EUR") = amount(orders, 64);
    *all.value_after_message.of("EUR") = amount(all.after_message, 66);
    all
}

fn messages_of(steps: &[Step], found: &mut Vec<(String, String)>) {
    for step in steps {
        match step {
            Step::Send { message, channels, .. } => {
                found.extend(channels.iter().map(|channel| (message.clone(), channel.to_string())));
            }
            Step::WaitUntil { otherwise, .. } => messages_of(otherwise, found),
            Step::Branch { then, otherwise, .. } => {
                messages_of(then, found);
                messages_of(otherwise, found);
            }
            Step::Split { variants, .. } => variants.iter().for_each(|variant| messages_of(&variant.steps, found)),
            Step::Wait(_) | Step::WaitForHours(_) | Step::Stop => {}
        }
    }
}

fn counts(playbook: &Playbook, at: Timestamp, hours: u64) -> Counts {
    let mut counts = Counts { rows: wave(at, hours, 50_000, "rows"), ..Counts::default() };
    for play in &playbook.plays {
        let own = counts.plays.of(&play.name);
        let mut messages = Vec::new();
        messages_of(&play.steps, &mut messages);
        messages.truncate(FIGURES_PER_PLAY_MAX);
        let mut sent = 0;
        for (message, channel) in &messages {
            let here = wave(at, hours, 90, &format!("{message}{channel}"));
            *own.messages.of(message).of(channel) = tallies(here);
            sent += here;
        }
        own.total = tallies(sent);
        for (reason, part) in
            [("cap", 6), ("no_consent", 4), ("quiet_hours", 9), ("not_in_audience", 3), ("no_address", 7)]
        {
            *own.not_sent.of(reason) = sent / part;
        }
        *own.held_out.of("holdout") = sent / 10;
        // Two more come from somebody who means harm.
        for source in 0..FIGURES_SOURCES_PER_PLAY_MAX - 2 {
            *own.sources.of(&format!("source-{source}")) = tallies(sent / 12);
            *own.regions.of(&format!("R{source}")) = tallies(sent / 12);
        }
        for device in ["mobile", "desktop", "tablet"] {
            *own.devices.of(device) = tallies(sent / 3);
        }
        for segment in &playbook.segments {
            *own.segments.of(&segment.name) = tallies(sent / 5);
        }
        (0..40).for_each(|minutes| own.time_to_goal.note(Span::from_mins(minutes * minutes)));
    }
    let sent = wave(at, hours, 2_000, "all");
    let bought = wave(at, hours, 300, "orders");
    counts.total.plays = tallies(sent);
    counts.total.orders = orders(bought);
    for channel in ["email", "sms", "on_site", "web_push", "telegram", "webhook"] {
        *counts.channels.of(channel) = tallies(sent / 6);
    }
    for place in 0..FIGURES_SOURCES_MAX - 2 {
        let (source, campaign) = (format!("source-{place}"), format!("campaign-{place}"));
        let region = format!("R{place}");
        for cut in [counts.sources.of(&source), counts.campaigns.of(&campaign), counts.regions.of(&region)] {
            cut.plays = tallies(sent / 48);
            cut.orders = orders(bought / 48);
        }
    }
    for hostile in [HOSTILE, FORMULA] {
        counts.sources.of(hostile).plays = tallies(3);
        *counts.plays.of("abandoned_cart").sources.of(hostile) = tallies(3);
    }
    for device in ["mobile", "desktop", "tablet"] {
        counts.devices.of(device).plays = tallies(sent / 3);
        counts.devices.of(device).orders = orders(bought / 3);
    }
    for (place, segment) in playbook.segments.iter().enumerate() {
        let cut = counts.segments.of(&segment.name);
        cut.plays = tallies(sent / 5);
        cut.orders = orders(bought / 5);
        let moves = counts.memberships.of(&segment.name);
        moves.entered = wave(at, hours, 40 + 5 * place as u64, &segment.name);
        moves.left = moves.entered * 8 / 10;
    }
    for (moment, scale) in [("know", 900), ("go", 250), ("do", 180), ("buy", 420)] {
        *counts.moments.of(moment) = wave(at, hours, scale, moment);
    }
    counts
}

fn rate(part: u64, of: u64) -> Option<Rate> {
    let interval = wilson(&Sample::of_counts(of, part).unwrap(), Level::new(0.95).unwrap())?;
    Some(Rate { estimate: part as f64 / of as f64, interval })
}

fn quantiles(mins: i64) -> Option<Quantiles> {
    Quantiles::of((1..=100).map(|part| Span::from_mins(mins * part / 50)).collect())
}

fn report(playbook: &Playbook, now: Timestamp) -> StoredReport {
    let sample = |users: u64, converted: u64, each: i128| {
        let micros = each * 1_000_000;
        let squares = u128::try_from(micros * micros).unwrap() * u128::from(converted);
        Sample::new(users, converted, micros * i128::from(converted), squares).unwrap()
    };
    let variant = |name: &str, share: f64, sample| Variant { name: name.into(), share, sample };
    let of = |play: &str, title: &str, baseline, variants: Vec<Variant>, control: &str| {
        let experiment = Experiment::new(variants, control).map_err(|error| error.to_string());
        Comparison { play: play.into(), title: title.into(), baseline, experiment, mixed: 3 }.read()
    };
    let experiments = vec![
        of(
            "abandoned_cart",
            "holdout",
            Baseline::Holdout,
            vec![variant("messages", 9.0, sample(45_210, 2_712, 61)), variant("holdout", 1.0, sample(5_012, 211, 60))],
            "holdout",
        ),
        of(
            "abandoned_cart",
            "wording",
            Baseline::OtherVariant,
            vec![variant("plain", 1.0, sample(22_580, 1_330, 61)), variant("friendly", 1.0, sample(22_630, 1_382, 61))],
            "plain",
        ),
        of(
            "welcome",
            "holdout",
            Baseline::Holdout,
            vec![variant("messages", 9.0, sample(820, 31, 44)), variant("holdout", 1.0, sample(88, 3, 44))],
            "holdout",
        ),
        of(
            "win_back",
            "holdout",
            Baseline::Holdout,
            vec![variant("messages", 9.0, sample(9_000, 300, 44)), variant("holdout", 1.0, sample(1_900, 51, 44))],
            "holdout",
        ),
    ];
    let step = |name: &str, people: u64, mins: Option<i64>| FunnelStepReport {
        name: name.into(),
        people,
        since_previous: mins.and_then(quantiles),
        since_first: mins.and_then(quantiles),
    };
    let funnel = FunnelReport {
        name: "purchase".into(),
        title: "From a product to the order".into(),
        within: Span::from_hours(24 * 7),
        steps: vec![
            step("product_viewed", 412_300, None),
            step("product_added", 96_410, Some(9)),
            step("checkout_started", 51_220, Some(22)),
            step("order_completed", 33_870, Some(6)),
        ],
        splits: Vec::new(),
    };
    let micro = MicroReport {
        name: "wish_list".into(),
        title: "Put something onto the wish list".into(),
        leads_to: "order".into(),
        within: Span::from_hours(24 * 30),
        count: 61_000,
        people: 42_100,
        reached: 5_220,
        open: 9_000,
        value: Default::default(),
        rate: rate(5_220, 42_100),
        people_without: 610_000,
        reached_without: 28_650,
        value_without: Default::default(),
        rate_without: rate(28_650, 610_000),
        difference: None,
        first_half: Default::default(),
        second_half: Default::default(),
    };
    let mut insights = Insights { people: 652_100, micros: vec![micro], funnels: vec![funnel], ..Insights::default() };
    insights.hours.time_zone = playbook.policy.time_zone.clone();
    for (day, hours) in insights.hours.visits.iter_mut().enumerate() {
        for (hour, count) in hours.iter_mut().enumerate() {
            *count = wave(Timestamp::from_millis((day * 24 + hour) as i64 * 3_600_000), 1, 4_000, "visits");
        }
    }
    insights.hours.orders = insights.hours.visits.map(|hours| hours.map(|visits| visits / 12));
    insights.warnings.push(Warning {
        kind: WarningKind::MicroRisesMacroDoesNot,
        about: "wish_list".into(),
        says:
            "More people use the wish list than before, but not more of them order. Do not take it for a success yet."
                .into(),
    });
    let mut report = Report { people: 652_100, ..Report::default() };
    report.customers.by_orders = BTreeMap::from([(1, 24_000), (2, 6_100), (3, 2_400)]);
    StoredReport {
        version: STORED_REPORT_VERSION,
        made_at: now.minus(Span::from_hours(5)),
        period: kairos_insights::Period { from: now.minus(Span::from_hours(24 * 30)), until: now, days: 30 },
        playbook: playbook.version.clone(),
        left_out: LeftOut::default(),
        report,
        experiments,
        insights,
    }
}
