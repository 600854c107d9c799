//! Pages: what one has made, and the frame around it.

use std::fmt;

use askama::Template;

use crate::answer::Answer;
use crate::assets::{ASSETS, Assets};
use crate::problem::Problem;
use crate::request::{PageRequest, Theme};
use crate::tables::{Export, Table};

/// HTML that a template has made: the only HTML that other templates take in as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendered(String);

impl Rendered {
    /// What a template makes.
    pub fn of(template: &impl Template) -> Self {
        // Writing to memory does not fail, and nothing that our templates show does.
        Self(template.render().expect("templates of ours render whatever they are given"))
    }
}

impl fmt::Display for Rendered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl askama::filters::HtmlSafe for Rendered {}

/// The parts of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// What is going on.
    Overview,
    /// What plays do.
    Plays,
    /// Where people stop.
    Funnels,
    /// Who is where.
    Segments,
    /// One person's story.
    Users,
    /// What was sent.
    Deliveries,
    /// What is in force.
    Playbook,
    /// How the system is.
    Health,
    /// None of these.
    None,
}

impl Section {
    /// Those of the navigation, in its order.
    pub const ALL: [Self; 8] = [
        Self::Overview,
        Self::Plays,
        Self::Funnels,
        Self::Segments,
        Self::Users,
        Self::Deliveries,
        Self::Playbook,
        Self::Health,
    ];

    /// Its name.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Plays => "Plays",
            Self::Funnels => "Funnels",
            Self::Segments => "Segments",
            Self::Users => "Users",
            Self::Deliveries => "Deliveries",
            Self::Playbook => "Playbook",
            Self::Health => "Health",
            Self::None => "",
        }
    }

    /// Where it is.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Overview | Self::None => "/",
            Self::Plays => "/plays",
            Self::Funnels => "/funnels",
            Self::Segments => "/segments",
            Self::Users => "/users",
            Self::Deliveries => "/deliveries",
            Self::Playbook => "/playbook",
            // `/health` is the local engine's own.
            Self::Health => "/system",
        }
    }
}

/// A page, without its frame.
#[derive(Clone, Debug)]
pub struct Page {
    /// Its title.
    pub title: String,
    /// Where in the navigation it belongs.
    pub section: Section,
    /// What stands in the frame.
    pub content: Rendered,
    /// Its tables, for export.
    pub tables: Vec<Table>,
}

/// What comes of a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A page.
    Page(Page),
    /// Something was done; where what came of it is shown.
    Done(String),
    /// Something else: a preview, a file.
    Answer(Answer),
}

impl Page {
    /// A page of a template.
    pub fn of(title: impl Into<String>, section: Section, content: &impl Template) -> Self {
        Self { title: title.into(), section, content: Rendered::of(content), tables: Vec::new() }
    }

    /// The same, with its tables for export.
    #[must_use]
    pub fn with_tables(mut self, tables: Vec<Table>) -> Self {
        self.tables = tables;
        self
    }

    /// The response: the page in its frame, or the table that is wanted.
    ///
    /// # Errors
    /// When it has no such table.
    pub fn answer(self, request: &PageRequest) -> Result<Answer, Problem> {
        let Some(Export { table, format }) = &request.export else {
            let frame = Frame { page: &self, request, assets: &ASSETS, sections: &Section::ALL, status: 200 };
            return Ok(frame.answer());
        };
        let table = self.tables.iter().find(|known| known.name == *table).ok_or_else(|| {
            let names: Vec<&str> = self.tables.iter().map(|table| table.name.as_str()).collect();
            Problem::NotFound(format!("This page has no such table. It has: {}.", names.join(", ")))
        })?;
        Ok(table.file(*format))
    }
}

#[derive(Template)]
#[template(path = "frame.html")]
struct Frame<'a> {
    page: &'a Page,
    request: &'a PageRequest,
    assets: &'a Assets,
    sections: &'a [Section],
    status: u16,
}

impl Frame<'_> {
    fn answer(&self) -> Answer {
        Answer::html(self.status, Rendered::of(self).0)
    }

    fn theme(&self) -> &'static str {
        self.request.theme.as_str()
    }

    fn htmx_headers(&self) -> String {
        serde_json::json!({ "X-CSRF-Token": self.request.session.csrf }).to_string()
    }

    fn is_current(&self, section: &Section) -> bool {
        *section == self.page.section
    }
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemContent<'a> {
    problem: &'a Problem,
}

/// The page that says what went wrong, for somebody who is logged in.
pub fn problem_page(problem: &Problem, request: &PageRequest) -> Answer {
    let page = Page::of(problem.title(), Section::None, &ProblemContent { problem });
    Frame { page: &page, request, assets: &ASSETS, sections: &Section::ALL, status: problem.status() }.answer()
}

/// The same for somebody who is not.
pub fn bare_problem_page(problem: &Problem, theme: Theme) -> Answer {
    let content = Rendered::of(&ProblemContent { problem });
    Bare { title: problem.title(), theme, content: &content }.answer(problem.status())
}

/// A page without navigation.
#[derive(Clone, Copy, Debug)]
pub struct Bare<'a> {
    /// Its title.
    pub title: &'a str,
    /// Light or dark.
    pub theme: Theme,
    /// What stands in it.
    pub content: &'a Rendered,
}

#[derive(Template)]
#[template(path = "bare.html")]
struct BareFrame<'a> {
    title: &'a str,
    theme: &'static str,
    content: &'a Rendered,
    assets: &'a Assets,
}

impl Bare<'_> {
    /// The response.
    pub fn answer(&self, status: u16) -> Answer {
        let Self { title, theme, content } = *self;
        let frame = BareFrame { title, theme: theme.as_str(), content, assets: &ASSETS };
        Answer::html(status, Rendered::of(&frame).0)
    }
}
