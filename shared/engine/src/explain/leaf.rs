//! What is remembered about one question, in words.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::when;
use crate::check::View;
use crate::describe::{self, Time, amount, counted};
use crate::moment;
use crate::playbook::{
    CartTest, Channel, Condition, EventMatch, HabitSlot, HabitTest, Moment, PlaceSelector, ProductField, Property,
    ReachTest,
};
use crate::product::Product;
use crate::property::product_field;
use crate::register::{Bucket, Register, RegisterValue, bucket_ends};
use crate::time::{Span, Timestamp};
use crate::verdict::Verdict;

/// How many products are named.
const PRODUCTS_NAMED_MAX: usize = 3;

/// What was found, and what would have had to differ.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) value: Option<String>,
    pub(super) missing: Option<String>,
}

impl Found {
    fn new(value: impl Into<String>) -> Self {
        Self { value: Some(value.into()), missing: None }
    }

    fn missing(self, missing: impl Into<String>) -> Self {
        Self { missing: Some(missing.into()), ..self }
    }

    fn maybe_missing(self, missing: Option<String>) -> Self {
        Self { missing, ..self }
    }
}

/// What is known about a question. `negated` tells that its contrary is asked; `verdict` is that of the question.
pub(super) fn found(view: &View<'_>, leaf: &Condition, negated: bool, verdict: Verdict) -> Found {
    let found = look(view, leaf, negated);
    match (verdict.holds == negated, verdict.until) {
        // Time alone makes it true, and says when.
        (true, Some(_)) => found.maybe_missing(None),
        (true, None) if negated => found.missing(contrary(leaf)),
        _ => found,
    }
}

/// What would have had to differ, when something must not be so, is, and stays so whatever time it is.
fn contrary(leaf: &Condition) -> String {
    match leaf {
        Condition::Last { of, .. } => format!("{} now", describe::events(of)),
        Condition::Absence { of, .. } => describe::events(of),
        Condition::Did { .. }
        | Condition::First { .. }
        | Condition::Sequence { .. }
        | Condition::Distinct { .. }
        | Condition::Sum { .. }
        | Condition::Habit { .. } => "it must not have happened; time alone does not change that".to_owned(),
        _ => "the contrary of what was found".to_owned(),
    }
}

fn look(view: &View<'_>, leaf: &Condition, negated: bool) -> Found {
    let at = view.at;
    let register = view.program.register_of(leaf);
    let value = register.and_then(|register| view.state.registers.get(register.id()));
    let kept = register.map_or(u32::MAX, kept);
    let asked = |at_least, within, what| Often { at_least, within, kept, at, negated, what };
    match leaf {
        Condition::All(_) => Found::default(),
        Condition::Any(_) => Found::default().missing("it asks for one of nothing: nobody is meant"),
        Condition::Not(_) => Found::default(),
        Condition::Cart(test) => cart(view, test),
        Condition::Reachable(test) => reachable(view, *test),
        Condition::Trait { name, is } => match view.state.profile.traits.get(name) {
            Some(value) => Found::new(format!("it is {value}")).missing(format!("one that {is}")),
            None => Found::new("it is not known").missing(format!("an identify call with the trait {name}")),
        },
        Condition::Did { at_least, within, same, .. } => match value {
            Some(RegisterValue::Recent(times)) => asked(*at_least, *within, "time").found(times),
            Some(RegisterValue::Total { count, last, .. }) => {
                let asks = asked_count(*at_least, negated);
                Found::new(format!("{}, the last {}{asks}", counted(*count, "time"), when(*last, at)))
                    .maybe_missing(more(at_least.saturating_sub(*count), None, at))
            }
            Some(RegisterValue::RecentBy(groups)) => {
                let counts = |times: &[Timestamp]| counting(times, *within, at).len();
                match groups.iter().map(|group| &group.times).max_by_key(|times| counts(times)) {
                    Some(times) => {
                        let found = asked(*at_least, *within, "time").found(times);
                        let same = same.as_ref().map_or(String::new(), |same| format!(" of one and the same {same}"));
                        let value = found.value.map(|value| format!("most{same}: {value}"));
                        Found { value, ..found }
                    }
                    None => never(*at_least, negated),
                }
            }
            _ => never(*at_least, negated),
        },
        Condition::First { of, .. } => match value {
            Some(RegisterValue::Total { first, .. }) => Found::new(format!("the first {}", when(*first, at))),
            _ => Found::new("never").missing(format!("{} so long ago", describe::events(of))),
        },
        Condition::Last { of, ago } => match value {
            Some(RegisterValue::Recent(times)) if !times.is_empty() => {
                Found::new(format!("the last {}", when(times[times.len() - 1], at)))
            }
            _ => Found::new("never").missing(format!("{}, and then none for {ago}", describe::events(of))),
        },
        Condition::LastValue { of, property, is } => match value {
            Some(RegisterValue::LastValue { value, at: since }) => {
                let found = Found::new(format!("it was {value}, {}", when(*since, at)));
                found.missing(format!("a newer one that {is}"))
            }
            _ => Found::new("none yet").missing(format!("{} with {property}", describe::events(of))),
        },
        Condition::Sum { at_least, currency, within, same, .. } => {
            let wanted = libm::round(at_least * 1e6) as i64;
            let sum = match value {
                Some(RegisterValue::Sum(sum)) => *sum,
                Some(RegisterValue::SumWithin(buckets)) => alive(buckets, *within, at),
                Some(RegisterValue::SumBy(groups)) => {
                    groups.iter().map(|group| alive(&group.buckets, *within, at)).max().unwrap_or(0)
                }
                _ => 0,
            };
            let shown = |micros: i64| amount(micros as f64 / 1e6, currency.as_ref());
            let same = same.as_ref().map_or(String::new(), |same| format!(", the most of one and the same {same}"));
            let than = if negated { "less than " } else { "" };
            let asks = format!("; {than}{} is asked", shown(wanted));
            let found = Found::new(format!("{}{same}{asks}", shown(sum)));
            found.maybe_missing((sum < wanted).then(|| format!("{} more", shown(wanted.saturating_sub(sum)))))
        }
        Condition::Distinct { property, at_least, within, .. } => match value {
            Some(RegisterValue::Distinct(groups)) => {
                let times: Vec<Timestamp> = groups.iter().filter_map(|group| group.times.last().copied()).collect();
                let found = asked(*at_least, *within, "different value").found(&times);
                Found { missing: found.missing.map(|missing| format!("{missing}, with another {property}")), ..found }
            }
            _ => never(*at_least, negated),
        },
        Condition::Sequence { steps, within, .. } => sequence(value, steps, *within, at),
        Condition::Absence { after, of, wait } => {
            let (started, ended) = (describe::events(after), describe::events(of));
            match value {
                Some(RegisterValue::Open { after: Some(since), open: true, .. }) => {
                    Found::new(format!("{started} {}, no {ended} since", when(*since, at)))
                }
                Some(RegisterValue::Open { after: Some(since), ended: Some(end), .. }) => {
                    let found = format!("{started} {}, but {ended} {}", when(*since, at), when(*end, at));
                    Found::new(found).missing(format!("{started} again, and then no {ended} for {wait}"))
                }
                _ => {
                    Found::new(format!("{started} never")).missing(format!("{started}, and then no {ended} for {wait}"))
                }
            }
        }
        Condition::AverageInterval { less_than, .. } => match value {
            Some(RegisterValue::Total { count, first, last }) if *count >= 2 => {
                let average = Span::from_millis(last.since(*first).as_millis() / i64::from(count - 1));
                let limit = less_than.as_millis().max(1);
                let so_far = i64::from(*count) - 1;
                let wanted = at.since(*first).as_millis() / limit + 1 - so_far;
                let missing = more(u32::try_from(wanted).unwrap_or(0), None, at).map(|more| format!("{more} now"));
                Found::new(format!("{average} on average, {count} times")).maybe_missing(missing)
            }
            Some(RegisterValue::Total { last, .. }) => {
                Found::new(format!("once, {}; an average needs two", when(*last, at)))
                    .missing(format!("one more before {}", Time(last.plus(*less_than))))
            }
            _ => Found::new("never; an average needs two").missing("two of them"),
        },
        Condition::Habit { on, is, .. } => habit(view, value, *on, *is),
        Condition::Visits { at_least, within } => match value {
            Some(RegisterValue::Visits { begun, .. }) => asked(*at_least, Some(*within), "visit").found(begun),
            _ => never(*at_least, negated),
        },
        Condition::Context { fact, is } => match view.state.facts.get(fact) {
            Some(value) => Found::new(format!("it is \"{value}\"")).missing(format!("one that {is}")),
            None => Found::new("it is not known").missing("an event that tells it"),
        },
        Condition::LocalTime(_) => Found::new(format!("it is {}", local_time(view))),
        Condition::Inside(places) => inside(view, places),
        Condition::Moment { moment, at_least } => strength(view, *moment, *at_least, negated),
        Condition::Readiness { at_least } => match moment::readiness(view, at) {
            Some(value) => Found::new(format!("{value:.3}; {at_least} is asked"))
                .maybe_missing((value < *at_least).then(|| format!("{:.3} more", at_least - value))),
            None => Found::new("moments.yaml has no formula for it").missing("a formula in moments.yaml"),
        },
        Condition::Segment(name) => {
            let members = view.program.memberships(view.state);
            match members.iter().find(|(member, _)| *member == name) {
                Some((_, since)) => Found::new(format!("in it since {}", when(*since, at))),
                None => Found::new("not in it").missing("what the segment asks for"),
            }
        }
        Condition::Messaged { play, within } => {
            let plays = view.state.plays.iter().filter(|(name, _)| play.as_ref().is_none_or(|play| *name == play));
            match plays.filter_map(|(name, standing)| Some((standing.messaged_at?, name))).max() {
                Some((last, name)) => Found::new(format!("the last one ({name}) {}", when(last, at)))
                    .missing(format!("one less than {within} ago")),
                None => Found::new("none yet").missing("one"),
            }
        }
    }
}

/// `; 3 are asked`; nothing where one is enough.
fn asked_count(at_least: u32, negated: bool) -> String {
    match (at_least, negated) {
        (1, _) => String::new(),
        (count, false) => format!("; {count} are asked"),
        (count, true) => format!("; fewer than {count} are asked"),
    }
}

/// `one more within 4 h`: how many are missing beside those that count until a time.
fn more(missing: u32, before: Option<Timestamp>, at: Timestamp) -> Option<String> {
    let count = match missing {
        0 => return None,
        1 => "one more".to_owned(),
        count => format!("{count} more"),
    };
    let within =
        before.map_or(String::new(), |before| format!(" within {}, before {}", before.since(at), Time(before)));
    Some(format!("{count}{within}"))
}

fn never(at_least: u32, negated: bool) -> Found {
    let needs = if at_least == 1 { "one".to_owned() } else { at_least.to_string() };
    Found::new(format!("never{}", asked_count(at_least, negated))).missing(needs)
}

/// The times that count.
fn counting(times: &[Timestamp], within: Option<Span>, at: Timestamp) -> &[Timestamp] {
    let first = within.map_or(0, |within| times.partition_point(|time| time.plus(within) <= at));
    &times[first..]
}

/// How many times a register keeps.
const fn kept(register: &Register) -> u32 {
    match register {
        Register::Recent { keep, .. }
        | Register::RecentBy { keep, .. }
        | Register::Distinct { keep, .. }
        | Register::Visits { keep } => *keep,
        _ => u32::MAX,
    }
}

/// A question about how often something happened, of which the newest times are kept.
struct Often {
    at_least: u32,
    within: Option<Span>,
    kept: u32,
    at: Timestamp,
    negated: bool,
    what: &'static str,
}

impl Often {
    /// The answer, from the times, oldest first.
    fn found(&self, times: &[Timestamp]) -> Found {
        let Self { at_least, within, kept, at, negated, what } = *self;
        let Some(last) = times.last() else { return never(at_least, negated) };
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let counts = counting(times, within, at);
        let shown = match (number(counts.len()), within) {
            (0, Some(within)) => format!("none within {within}"),
            (1, _) if kept == 1 => "at least once".to_owned(),
            (count, _) if count >= kept => format!("{count} or more {what}s"),
            (count, _) => counted(count, what),
        };
        let found = format!("{shown}, the last {}{}", when(*last, at), asked_count(at_least, negated));
        let counts_until = counts.first().zip(within).map(|(oldest, within)| oldest.plus(within));
        Found::new(found).maybe_missing(more(at_least.saturating_sub(number(counts.len())), counts_until, at))
    }
}

fn alive(buckets: &[Bucket], within: Option<Span>, at: Timestamp) -> i64 {
    let counts = |bucket: &&Bucket| within.is_none_or(|window| bucket_ends(bucket.part, window) > at);
    buckets.iter().filter(counts).map(|bucket| bucket.sum).fold(0, i64::saturating_add)
}

/// How far a sequence has come.
pub(super) fn sequence(value: Option<&RegisterValue>, steps: &[Vec<EventMatch>], within: Span, at: Timestamp) -> Found {
    let rest = |from: usize| {
        let steps: Vec<String> = steps.iter().skip(from).map(|of| describe::events(of)).collect();
        steps.join(", then ")
    };
    let Some(RegisterValue::Sequence { begun, completed }) = value else {
        return Found::new("not begun").missing(rest(0));
    };
    let far = begun.iter().enumerate().rev().find_map(|(part, start)| {
        let start = (*start)?;
        (at.since(start) < within).then_some((part, start))
    });
    let completed = completed.map(|completed| format!("completed last {}", when(completed, at)));
    match (far, completed) {
        (Some((part, start)), None) => Found::new(format!(
            "{} of {} parts done ({}), begun {}",
            part + 1,
            steps.len(),
            steps.get(part).map_or(String::new(), |of| describe::events(of)),
            when(start, at),
        ))
        .missing(format!("{} before {}", rest(part + 1), Time(start.plus(within)))),
        (_, Some(completed)) => Found::new(completed).missing("all of it again"),
        (None, None) => Found::new("none under way").missing(rest(0)),
    }
}

fn habit(view: &View<'_>, value: Option<&RegisterValue>, on: HabitSlot, is: HabitTest) -> Found {
    let Some((sum, best_inside, best)) = view.habit_counts(value, on) else {
        return Found::new("never").missing(match is {
            HabitTest::AtLeast(least) => counted(least, "time"),
            HabitTest::Favourite => "one".to_owned(),
        });
    };
    let today = match on {
        HabitSlot::Today => {
            let (weekday, _) = view.program.clock_of(view.state).weekday_and_minute(view.at);
            format!(" on {}", describe::day(weekday))
        }
        _ => " then".to_owned(),
    };
    match is {
        HabitTest::AtLeast(least) => {
            let asked = if least > 1 { format!("; {least} are asked") } else { String::new() };
            Found::new(format!("{}{today}{asked}", counted(sum, "time"))).maybe_missing(more(
                least.saturating_sub(sum),
                None,
                view.at,
            ))
        }
        HabitTest::Favourite => {
            let most = counted(u32::from(best), "time");
            Found::new(format!("{}{today} at best; the most at any is {most}", counted(u32::from(best_inside), "time")))
                .maybe_missing(more(u32::from(best - best_inside).max(u32::from(best == 0)), None, view.at))
        }
    }
}

fn cart(view: &View<'_>, test: &CartTest) -> Found {
    let cart = &view.state.cart;
    let items: u64 = cart.items().iter().map(|item| u64::from(item.quantity)).sum();
    let changed = cart.changed_at().map_or(String::new(), |at| format!(" since {}", when(at, view.at)));
    let (total, currency) = cart.total();
    let worth = |amount: crate::money::Micros| {
        format!("{amount}{}", currency.map_or(String::new(), |currency| format!(" {}", currency.as_str())))
    };
    match test {
        CartTest::NotEmpty if cart.is_empty() => Found::new(format!("it is empty{changed}")).missing("something in it"),
        CartTest::Empty if !cart.is_empty() => Found::new(named(cart.items())).missing("nothing in it"),
        CartTest::Empty => Found::new(format!("it is empty{changed}")),
        CartTest::NotEmpty => Found::new(named(cart.items())),
        CartTest::ItemsAtLeast(least) => Found::new(format!("{items} in it; {least} are asked")).maybe_missing(more(
            least.saturating_sub(u32::try_from(items).unwrap_or(u32::MAX)),
            None,
            view.at,
        )),
        CartTest::TotalAtLeast { amount: least, currency: wanted } => {
            let asked = amount(*least, wanted.as_ref());
            match total {
                _ if cart.is_empty() => Found::new(format!("it is empty; {asked} is asked")).missing(asked),
                None => Found::new("what it is worth is not known: a price is missing, or currencies differ")
                    .missing("a price for each product, in one currency"),
                Some(total) => {
                    let missing = least - total.get() as f64 / 1e6;
                    let found = Found::new(format!("it is worth {}; {asked} is asked", worth(total)));
                    match missing > 0.0 {
                        true => found.missing(format!("{} more", amount(missing, currency.as_ref()))),
                        false => found.missing(asked),
                    }
                }
            }
        }
        CartTest::Contains { property, .. } => {
            let values: Vec<String> = match property {
                Property::Product(field) => cart.items().iter().filter_map(|item| shown(item, *field)).collect(),
                _ => Vec::new(),
            };
            let field = describe::field(property);
            match (cart.is_empty(), values.is_empty()) {
                (true, _) => Found::new("it is empty"),
                (_, true) => Found::new(format!("no {field} is known of what is in it")),
                _ => Found::new(format!("{field}: {}", values.join(", "))),
            }
            .missing("such a product in it")
        }
    }
}

fn shown(item: &Product, field: ProductField) -> Option<String> {
    use crate::property::ValueRef;
    Some(match product_field(item, field)? {
        ValueRef::Text(text) => format!("\"{text}\""),
        ValueRef::Number(number) => number.to_string(),
        _ => return None,
    })
}

/// Some products by their names.
fn named(items: &[Product]) -> String {
    let name = |item: &Product| item.name.as_ref().unwrap_or(&item.id).to_string();
    let mut names: Vec<String> = items.iter().rev().take(PRODUCTS_NAMED_MAX).map(name).collect();
    if let Some(more) = items.len().checked_sub(PRODUCTS_NAMED_MAX).filter(|more| *more > 0) {
        names.push(format!("{more} more"));
    }
    format!("in it: {}", names.join(", "))
}

fn reachable(view: &View<'_>, test: ReachTest) -> Found {
    let by: Vec<&str> =
        Channel::ALL.into_iter().filter(|channel| view.state.is_reachable(*channel)).map(Channel::as_str).collect();
    let missing = match test {
        ReachTest::By(Channel::Sms) => "a phone number",
        ReachTest::By(Channel::Email) => "an email address",
        ReachTest::By(Channel::Webhook) => "a webhook has no address of the user's own: ask for email or sms",
        ReachTest::By(Channel::OnSite) => "who is on the site is reached there: ask for what they do there",
        ReachTest::By(Channel::Telegram) => "the trait `telegram_chat_id`",
        ReachTest::By(Channel::Viber) => "the trait `viber_id`",
        ReachTest::By(Channel::Whatsapp) => "a phone number in the trait `whatsapp`",
        ReachTest::By(Channel::MobilePush) => "a device with the app and notifications: `context.device.token`",
        ReachTest::By(Channel::WebPush) => "a browser that shows notifications: `Web Push Subscribed`",
        ReachTest::Anyhow => {
            "an email address, a phone number, an id of a messenger, or a browser or a device with notifications"
        }
    };
    let found = match by.is_empty() {
        true => "no email address, phone number, id of a messenger or browser with notifications is known".to_owned(),
        false => format!("by {}", by.join(" and ")),
    };
    Found::new(found).missing(missing)
}

/// The user's own time: `Friday 09:30 (Europe/Berlin)`.
pub(super) fn local_time(view: &View<'_>) -> String {
    let (weekday, minute) = view.program.clock_of(view.state).weekday_and_minute(view.at);
    let policy = &view.program.playbook().policy.time_zone;
    let zone = view.state.time_zone.as_ref().unwrap_or(policy);
    format!("{} {} ({zone})", describe::day(weekday), describe::clock(minute))
}

fn inside(view: &View<'_>, places: &PlaceSelector) -> Found {
    let inside: Vec<String> = view
        .state
        .inside
        .iter()
        .map(|inside| format!("{} since {}", inside.place, when(inside.since, view.at)))
        .collect();
    if !inside.is_empty() {
        return Found::new(format!("in {}", inside.join(", "))).missing(format!("being in {places}"));
    }
    let wanted = view.program.playbook().places.iter().filter(|place| places.matches(place));
    let nearest = view.state.position.and_then(|position| {
        let distances = wanted.map(|place| (place.position().distance_m(position), place));
        distances.min_by(|one, other| one.0.total_cmp(&other.0))
    });
    match nearest {
        None => Found::new("in none; no position is known").missing(format!("being in {places}")),
        Some((metres, place)) => Found::new(format!("in none; {} was {metres:.0} m away when last seen", place.name))
            .missing(format!("being within {} m of it", place.radius_m)),
    }
}

fn strength(view: &View<'_>, wanted: Moment, at_least: Option<f64>, negated: bool) -> Found {
    let Some(settings) = view.program.playbook().moments.moments.get(&wanted) else {
        return Found::new("moments.yaml does not know it").missing("evidence in moments.yaml");
    };
    let strength = moment::strength(view, wanted, view.at);
    let threshold = at_least.map_or(settings.reached_at, |least| least.max(settings.reached_at));
    let current = moment::current(view, view.at).map(|(moment, _)| moment);
    let name = wanted.as_str();
    let asked = if negated { String::new() } else { format!("; {threshold} is asked") };
    match current {
        Some(other) if other != wanted => {
            let stronger = moment::strength(view, other, view.at);
            let other = other.as_str();
            Found::new(format!("the moment is {other} ({stronger:.2}); {name} is {strength:.2} strong"))
                .missing(format!("{name} stronger than {other}, and at least {threshold}"))
        }
        _ => Found::new(format!("{name} is {strength:.2} strong{asked}"))
            .maybe_missing((strength < threshold).then(|| format!("{:.2} more", threshold - strength))),
    }
}
