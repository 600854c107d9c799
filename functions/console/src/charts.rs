//! Charts: drawn by uPlot from data in the page. What a chart shows is told by a table as well, for whoever does not see it.

use askama::Template;
use kairos_engine::time::Timestamp;
use serde_json::json;

use crate::page::Rendered;

/// What the values of a chart are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// How many.
    Count,
    /// Parts of one.
    Percent,
    /// Amounts of one currency.
    Money,
}

/// One line of a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What it is.
    pub label: String,
    /// Its values, as many as there are times; gaps where there are none.
    pub values: Vec<Option<f64>>,
}

/// Values over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// What the values are.
    pub unit: Unit,
    /// When, rising.
    pub times: Vec<Timestamp>,
    /// The lines.
    pub series: Vec<Series>,
    /// The shop's zone, by its IANA name.
    pub zone: String,
    /// In one sentence, for whoever does not see it.
    pub summary: String,
}

#[derive(Template)]
#[template(path = "chart.html")]
struct Html<'a> {
    title: &'a str,
    summary: &'a str,
    data: String,
    labels: Vec<&'a str>,
}

impl Chart {
    /// As it stands in a page.
    pub fn html(&self) -> Rendered {
        let unit = match self.unit {
            Unit::Count => "count",
            Unit::Percent => "percent",
            Unit::Money => "money",
        };
        let times: Vec<i64> = self.times.iter().map(|at| at.as_secs()).collect();
        let series: Vec<_> =
            self.series.iter().map(|series| json!({ "label": series.label, "values": series.values })).collect();
        let data = json!({ "unit": unit, "zone": self.zone, "times": times, "series": series }).to_string();
        let labels = self.series.iter().map(|series| series.label.as_str()).collect();
        Rendered::of(&Html { title: &self.title, summary: &self.summary, data, labels })
    }
}
