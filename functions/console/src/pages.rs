//! The pages: a module each.

mod deliveries;
mod experiments;
mod funnels;
mod health;
mod overview;
mod parts;
mod play;
mod playbook;
mod plays;
mod segments;
mod timeline;
mod users;
mod words;

use crate::console::Console;
use crate::page::Reply;
use crate::problem::Problem;
use crate::request::{Method, PageRequest};

/// What comes of a request of somebody who is logged in.
///
/// # Errors
/// When there is no such page, or it cannot be made.
pub async fn reply(console: &Console, request: &PageRequest, method: Method, path: &[&str]) -> Result<Reply, Problem> {
    match path {
        ["users", rest @ ..] => return users::reply(console, request, method, rest).await,
        ["deliveries", rest @ ..] => return deliveries::reply(console, request, method, rest).await,
        ["playbook", rest @ ..] => return playbook::reply(console, request, method, rest).await,
        ["system", rest @ ..] => return health::reply(console, request, method, rest).await,
        _ => {}
    }
    let page = match (method, path) {
        (Method::Get, []) => overview::overview(console, request).await?,
        (Method::Get, ["plays"]) => plays::plays(console, request).await?,
        (Method::Get, ["plays", name]) => play::play(console, request, name).await?,
        (Method::Get, ["funnels"]) => funnels::funnels(console, request).await?,
        (Method::Get, ["segments"]) => segments::segments(console, request).await?,
        _ => return Err(Problem::no_such_page()),
    };
    Ok(Reply::Page(page))
}
