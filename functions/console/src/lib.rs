//! `console`: shows a shop what works, in a browser. Pages are made here, whole; they work without scripts, and htmx only
//! refreshes parts of them.
//!
//! The path of a request:
//! 1. [`request`]: what is asked, by which browser; pure.
//! 2. [`sessions`]: whether somebody is logged in. Nothing but the login and [`assets`] is to be had without.
//! 3. [`function`]: leads to a page or to something that is done, and turns whatever goes wrong into a page as well.
//! 4. [`pages`]: one module for each page. It gives a [`page::Page`]: a title, tables, and HTML that a template has made.
//! 5. [`page`] puts the frame around it, or takes a table out of it for export ([`tables`]); [`answer`] makes the response.
//!
//! [`figures`], [`reports`]: what is shown. [`period`], [`lens`], [`filters`]: for which days, and of whom. [`format`],
//! [`charts`], [`heat`]: how it is written and drawn. [`store`]: sessions, wrong logins
//! and what was changed by whom, in the console's own table.
//!
//! [`records`], [`system`], [`metrics`]: what pages about people and about the stack read.
//!
//! **Invariants:** no page and no export without a session. Whatever changes something is a POST from a page of ours with the
//! session's own token. A page is made of templates alone, which escape all they are given; no script and no style stands in
//! a page, and nothing is loaded from elsewhere.

pub mod answer;
pub mod assets;
pub mod charts;
pub mod console;
mod explained;
pub mod figures;
pub mod filters;
pub mod format;
pub mod function;
pub mod heat;
pub mod lens;
pub mod login;
pub mod metrics;
pub mod page;
pub mod pages;
pub mod period;
pub mod problem;
pub mod records;
pub mod reports;
pub mod request;
pub mod sessions;
pub mod store;
pub mod system;
pub mod tables;

pub use console::Console;
pub use function::Function;
