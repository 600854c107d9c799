//! What the stack's use costs at AWS' list prices, and what that makes for a million events.
//!
//! Prices: us-east-1, on demand, without free tiers, read 2026-11-21, as `benches/cost.rs` has them.

use crate::tables::{Cell, Table};

/// How the figure comes about.
pub(super) const FORMULA: &str = "Sum of the lines ÷ accepted events × 1,000,000. Prices are those of us-east-1, on demand, \
    without free tiers: Lambda $0.20 a million requests and $0.0000133334 a GB-second (arm64); DynamoDB $0.625 a million write \
    units and $0.125 a million read units; SQS $0.40 a million requests, FIFO $0.50. SQS tells messages, not requests: each sent \
    and each received message is taken for a request, which is too many where they come in batches. Logs, S3 and what providers \
    take for messages are not in it.";

const MILLION: f64 = 1e6;
const LAMBDA_REQUEST: f64 = 0.20 / MILLION;
const LAMBDA_GB_S: f64 = 0.000_013_333_4;
const WRITE_UNIT: f64 = 0.625 / MILLION;
const READ_UNIT: f64 = 0.125 / MILLION;
const QUEUE_REQUEST: f64 = 0.40 / MILLION;
const FIFO_REQUEST: f64 = 0.50 / MILLION;

/// What was used, as far as it is measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Bill {
    /// Events that were accepted.
    pub(super) events: Option<f64>,
    requests: Option<f64>,
    gb_s: Option<f64>,
    writes: Option<f64>,
    reads: Option<f64>,
    queue_requests: Option<f64>,
    fifo_requests: Option<f64>,
}

/// Memory of a function, in GB, as `template.yaml` has it.
fn memory_gb(function: &str) -> f64 {
    match function {
        "console" => 1.0,
        "reports" => 2.0,
        _ => 0.25,
    }
}

fn add(to: &mut Option<f64>, value: Option<f64>) {
    if let Some(value) = value {
        *to = Some(to.unwrap_or_default() + value);
    }
}

impl Bill {
    /// Adds a queue's messages: sent, received, and receives that found none.
    pub(super) fn queue(&mut self, is_fifo: bool, messages: [Option<f64>; 3]) {
        let requests = if is_fifo { &mut self.fifo_requests } else { &mut self.queue_requests };
        messages.into_iter().for_each(|count| add(requests, count));
    }

    /// Adds a table's units.
    pub(super) fn table(&mut self, writes: Option<f64>, reads: Option<f64>) {
        add(&mut self.writes, writes);
        add(&mut self.reads, reads);
    }

    /// Adds the functions' calls and how long they took, in milliseconds.
    pub(super) fn functions<'n>(&mut self, figures: impl Iterator<Item = (&'n str, Option<f64>, Option<f64>)>) {
        for (name, calls, millis) in figures {
            add(&mut self.requests, calls);
            add(&mut self.gb_s, millis.map(|millis| millis / 1e3 * memory_gb(name)));
        }
    }

    /// What is used, its price, and what that makes in US dollars.
    fn lines(&self) -> [(&'static str, Option<f64>, f64); 6] {
        [
            ("Lambda requests", self.requests, LAMBDA_REQUEST),
            ("Lambda GB-seconds", self.gb_s, LAMBDA_GB_S),
            ("DynamoDB write units", self.writes, WRITE_UNIT),
            ("DynamoDB read units", self.reads, READ_UNIT),
            ("SQS requests", self.queue_requests, QUEUE_REQUEST),
            ("SQS FIFO requests", self.fifo_requests, FIFO_REQUEST),
        ]
    }

    /// What a million events cost; nothing while a line or the events are not measured.
    pub(super) fn per_million(&self) -> Option<f64> {
        let total: Option<f64> = self.lines().into_iter().map(|(_, used, price)| Some(used? * price)).sum();
        Some(total? / self.events.filter(|events| *events > 0.0)? * MILLION)
    }
}

/// The bill as a table.
pub(super) fn table(bill: &Bill) -> Table {
    let columns = vec![("what", "What"), ("used", "Used"), ("price", "Price each, $"), ("dollars", "Makes, $")];
    let mut table = Table::new("costs", "What it costs", columns);
    for (what, used, price) in bill.lines() {
        table.rows.push(vec![
            Cell::text(what),
            used.map_or(Cell::Nothing, |used| Cell::Count(used.round() as u64)),
            Cell::text(format!("{price:.10}").trim_end_matches('0')),
            used.map_or(Cell::Nothing, |used| Cell::text(format!("{:.4}", used * price))),
        ]);
    }
    let events = bill.events.map_or(Cell::Nothing, |events| Cell::Count(events as u64));
    let each = bill.per_million().map_or(Cell::Nothing, |dollars| Cell::text(format!("{dollars:.2}")));
    table.rows.push(vec![Cell::text("Accepted events; a million of them"), events, Cell::Nothing, each]);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_events_cost_what_their_use_costs_and_nothing_is_claimed_while_something_is_not_measured() {
        let mut bill = Bill { events: Some(1_000.0), ..Bill::default() };
        bill.table(Some(1_000.0), Some(1_000.0));
        bill.queue(false, [Some(500.0), Some(400.0), Some(100.0)]);
        bill.queue(true, [Some(1_000.0), None, None]);
        assert_eq!(bill.per_million(), None, "no function is measured");
        bill.functions([("ingest", Some(1_000.0), Some(4_000.0))].into_iter());
        // One of each an event, and a thousandth of a GB-second.
        let expected = 0.20 + 0.013_333_4 + 0.625 + 0.125 + 0.40 + 0.50;
        assert!((bill.per_million().unwrap() - expected).abs() < 1e-9, "{:?}", bill.per_million());
        assert_eq!(Bill { events: None, ..bill.clone() }.per_million(), None);
        assert_eq!(table(&bill).rows.len(), 7);
    }

    #[test]
    fn memory_is_what_the_template_gives() {
        let template = include_str!("../../../../../template.yaml");
        let mut own = 0;
        for resource in template.split("\n\n").filter(|resource| resource.contains("Type: AWS::Serverless::Function")) {
            let binary = resource.split("Binary: ").nth(1).and_then(|rest| rest.split('}').next()).unwrap();
            let memory = resource.split("MemorySize: ").nth(1).and_then(|rest| rest.lines().next());
            own += usize::from(memory.is_some());
            let megabytes: f64 = memory.map_or(256.0, |memory| memory.parse().unwrap());
            assert_eq!(memory_gb(binary) * 1_024.0, megabytes, "{binary}");
        }
        assert_eq!(own, 2, "this test still finds them");
    }
}
