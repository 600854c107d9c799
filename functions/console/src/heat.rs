//! Maps of heat: figures in rows and columns, the darker the more.

use askama::Template;

use crate::page::Rendered;

/// Steps of darkness.
const STEPS: f64 = 5.0;

/// A figure, and how it is shown.
pub type Field = (f64, String);

/// Figures in rows and columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heat {
    /// What it shows.
    pub caption: String,
    /// A sentence below that.
    pub note: String,
    /// What the rows are.
    pub head: String,
    /// What the columns are.
    pub columns: Vec<String>,
    /// The rows: what each is, and what it has: how much (what darkness goes by), and the words.
    pub rows: Vec<(String, Vec<Option<Field>>)>,
}

struct Row<'a> {
    head: &'a str,
    cells: Vec<(u8, &'a str)>,
}

#[derive(Template)]
#[template(path = "heat.html")]
struct Html<'a> {
    heat: &'a Heat,
    rows: Vec<Row<'a>>,
}

impl Heat {
    /// As it stands in a page.
    pub fn html(&self) -> Rendered {
        let values = self.rows.iter().flat_map(|(_, cells)| cells).flatten().map(|(value, _)| *value);
        let most = values.fold(0.0, f64::max);
        let step = |value: f64| if most > 0.0 && value > 0.0 { (value / most * STEPS).ceil() as u8 } else { 0 };
        let rows = self
            .rows
            .iter()
            .map(|(head, cells)| Row {
                head,
                cells: cells
                    .iter()
                    .map(|cell| cell.as_ref().map_or((0, ""), |(value, words)| (step(*value), words)))
                    .collect(),
            })
            .collect();
        Rendered::of(&Html { heat: self, rows })
    }
}
