//! What CloudWatch has measured of the stack in the last hour or day.

use std::collections::BTreeMap;

use kairos_cloud::dead_letters::WatchedQueue;
use kairos_engine::time::{Span, Timestamp};
use kairos_protocol::port::Fault;

use super::costs::{self, Bill};
use crate::metrics::{Question, Values};
use crate::problem::Problem;
use crate::request::PageRequest;
use crate::system::{FUNCTIONS, System};
use crate::tables::{Cell, Table};

/// For which time figures are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Window {
    /// The last hour.
    #[default]
    Hour,
    /// The last day.
    Day,
}

impl Window {
    pub(crate) const ALL: [Self; 2] = [Self::Hour, Self::Day];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Hour => "Last hour",
            Self::Day => "Last 24 hours",
        }
    }

    /// What the address asks for.
    pub(crate) fn of(request: &PageRequest) -> Result<Self, Problem> {
        match request.query.get("window") {
            None => Ok(Self::default()),
            Some(name) => Self::ALL
                .into_iter()
                .find(|window| window.name() == name)
                .ok_or_else(|| Problem::NotUnderstood("The window is hour or day.".to_owned())),
        }
    }

    const fn span(self) -> Span {
        match self {
            Self::Hour => Span::from_hours(1),
            Self::Day => Span::from_hours(24),
        }
    }

    const fn period_secs(self) -> u32 {
        match self {
            Self::Hour => 300,
            Self::Day => 3_600,
        }
    }
}

/// How a function did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct FunctionFigures {
    pub(crate) calls: Option<f64>,
    pub(crate) errors: Option<f64>,
    pub(crate) throttles: Option<f64>,
    pub(crate) total_ms: Option<f64>,
    /// The largest of the periods' 99th percentiles.
    pub(crate) p99_ms: Option<f64>,
}

/// What was measured; whatever is missing was not.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    functions: BTreeMap<&'static str, FunctionFigures>,
    oldest: BTreeMap<String, f64>,
    counters: Vec<(String, String, f64)>,
    archive_lag_ms: Option<f64>,
    bill: Bill,
}

impl Measured {
    /// Asks for everything.
    pub(crate) async fn read(system: &System, window: Window, now: Timestamp) -> Result<Self, Fault> {
        let times = (now.minus(window.span()), now);
        let counters = system.metrics.counters(&system.stack, now).await?;
        let mut questions = Vec::new();
        let mut ask = |namespace, metric: &str, of: (&'static str, String), statistic| {
            questions.push(Question { namespace, metric: metric.to_owned(), of, statistic });
        };
        for function in FUNCTIONS {
            let of = || ("FunctionName", system.function(function));
            ask("AWS/Lambda", "Invocations", of(), "Sum");
            ask("AWS/Lambda", "Errors", of(), "Sum");
            ask("AWS/Lambda", "Throttles", of(), "Sum");
            ask("AWS/Lambda", "Duration", of(), "Sum");
            ask("AWS/Lambda", "Duration", of(), "p99");
        }
        ask("AWS/Lambda", "IteratorAge", ("FunctionName", system.function("archive")), "Maximum");
        for queue in &system.queues {
            let [name, _] = queue.metric_names();
            let of = || ("QueueName", name.to_owned());
            ask("AWS/SQS", "ApproximateAgeOfOldestMessage", of(), "Maximum");
            ask("AWS/SQS", "NumberOfMessagesSent", of(), "Sum");
            ask("AWS/SQS", "NumberOfMessagesReceived", of(), "Sum");
            ask("AWS/SQS", "NumberOfEmptyReceives", of(), "Sum");
        }
        for table in &system.tables {
            let of = || ("TableName", table.clone());
            ask("AWS/DynamoDB", "ConsumedWriteCapacityUnits", of(), "Sum");
            ask("AWS/DynamoDB", "ConsumedReadCapacityUnits", of(), "Sum");
        }
        for (function, counter) in &counters {
            ask("Kairos", counter, ("function", system.function(function)), "Sum");
        }
        let values = system.metrics.read(&questions, times, window.period_secs()).await?;
        let mut values = values.into_iter();
        let mut next = || values.next().unwrap_or_default();

        let mut measured = Self::default();
        for function in FUNCTIONS {
            let [calls, errors, throttles, total_ms] = [(); 4].map(|()| next().sum());
            let figures = FunctionFigures { calls, errors, throttles, total_ms, p99_ms: next().max() };
            measured.functions.insert(function, figures);
        }
        measured.archive_lag_ms = next().max();
        for queue in &system.queues {
            let [name, _] = queue.metric_names();
            if let Some(age) = Values::max(&next()) {
                measured.oldest.insert(name.to_owned(), age);
            }
            let [sent, received, empty] = [(); 3].map(|()| next().sum());
            measured.bill.queue(name.ends_with(".fifo"), [sent, received, empty]);
        }
        for _ in &system.tables {
            measured.bill.table(next().sum(), next().sum());
        }
        for (function, counter) in counters {
            if let Some(sum) = next().sum() {
                measured.counters.push((function, counter, sum));
            }
        }
        let calls_and_ms = measured.functions.iter().map(|(name, figures)| (*name, figures.calls, figures.total_ms));
        measured.bill.functions(calls_and_ms);
        measured.bill.events = measured.counted("ingest", "accepted");
        Ok(measured)
    }

    fn counted(&self, function: &str, counter: &str) -> Option<f64> {
        let found = self.counters.iter().find(|(of, name, _)| of == function && name == counter);
        found.map(|(_, _, sum)| *sum)
    }

    /// The oldest message of a queue, in seconds, at its worst.
    pub(crate) fn oldest_message(&self, queue: &WatchedQueue) -> Option<f64> {
        self.oldest.get(queue.metric_names()[0]).copied()
    }

    /// How far the archive was behind the stream, at its worst.
    pub(crate) fn archive_lag(&self) -> Option<Span> {
        self.archive_lag_ms.map(|millis| Span::from_millis(millis as i64))
    }

    /// Errors of all functions; nothing when none is measured.
    pub(crate) fn errors(&self) -> Option<u64> {
        self.total(|figures| figures.errors)
    }

    /// Throttles of all functions.
    pub(crate) fn throttles(&self) -> Option<u64> {
        self.total(|figures| figures.throttles)
    }

    fn total(&self, of: impl Fn(&FunctionFigures) -> Option<f64>) -> Option<u64> {
        self.functions.values().filter_map(of).reduce(|one, other| one + other).map(|sum| sum as u64)
    }

    /// What a million events cost, in US dollars, when enough is measured.
    pub(crate) fn per_million(&self) -> Option<f64> {
        self.bill.per_million()
    }

    /// How the functions did.
    pub(crate) fn functions_table(&self) -> Table {
        let columns = vec![
            ("function", "Function"),
            ("calls", "Calls"),
            ("errors", "Errors"),
            ("throttles", "Throttles"),
            ("mean_ms", "Mean"),
            ("p99_ms", "p99"),
        ];
        let mut table = Table::new("functions", "Functions", columns).with_note(
            "The p99 is that of the worst five minutes (of a day: of the worst hour). – is not measured: nothing has called it, or a local engine has, which keeps no such figures.",
        );
        let count = |value: Option<f64>| value.map_or(Cell::Nothing, |value| Cell::Count(value as u64));
        let span = |millis: Option<f64>| Cell::Span(millis.map(|millis| Span::from_millis(millis.round() as i64)));
        for function in FUNCTIONS {
            let figures = self.functions.get(function).copied().unwrap_or_default();
            let mean = figures.total_ms.zip(figures.calls.filter(|calls| *calls > 0.0)).map(|(ms, calls)| ms / calls);
            let bad = |value: Option<f64>| match value {
                Some(value) if value > 0.0 => Cell::Badge("bad", crate::format::count(value as u64)),
                value => count(value),
            };
            table.rows.push(vec![
                Cell::text(function),
                count(figures.calls),
                bad(figures.errors),
                bad(figures.throttles),
                span(mean),
                span(figures.p99_ms),
            ]);
        }
        table
    }

    /// What the functions have counted themselves.
    pub(crate) fn counters_table(&self) -> Table {
        let columns = vec![("function", "Function"), ("counter", "Counter"), ("count", "Count")];
        let mut table = Table::new("counters", "What was counted", columns).or_when_empty(
            "No counter has values here. They come to CloudWatch by the functions' logs; a local engine does not read them.",
        );
        for (function, counter, sum) in &self.counters {
            let words = counter.replace('_', " ");
            table.rows.push(vec![Cell::text(function), Cell::text(words), Cell::Count(*sum as u64)]);
        }
        table
    }

    /// The bill.
    pub(crate) fn costs_table(&self) -> Table {
        costs::table(&self.bill)
    }
}
