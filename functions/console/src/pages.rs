//! The pages: a module each.

mod overview;

use crate::console::Console;
use crate::page::Reply;
use crate::problem::Problem;
use crate::request::{Method, PageRequest};

/// What comes of a request of somebody who is logged in.
///
/// # Errors
/// When there is no such page, or it cannot be made.
pub async fn reply(console: &Console, request: &PageRequest, method: Method, path: &[&str]) -> Result<Reply, Problem> {
    let page = match (method, path) {
        (Method::Get, []) => overview::overview(console, request).await?,
        _ => return Err(Problem::no_such_page()),
    };
    Ok(Reply::Page(page))
}
