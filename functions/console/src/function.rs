//! The Lambda function: a request in, a page and the counters out.

use aws_lambda_events::event::lambda_function_urls::{LambdaFunctionUrlRequest, LambdaFunctionUrlResponse};
use kairos_cloud::clock::SystemClock;
use kairos_cloud::telemetry;
use kairos_engine::time::Timestamp;
use kairos_protocol::port::Clock;
use lambda_runtime::{Error, LambdaEvent};

use crate::answer::Answer;
use crate::assets::ASSETS;
use crate::console::Console;
use crate::login::{self, no_randomness};
use crate::page::{Reply, bare_problem_page, problem_page};
use crate::pages;
use crate::problem::Problem;
use crate::request::{Asked, Method, PageRequest, Theme, own_address};
use crate::sessions::{Session, Token, cookie_name, set_cookie};
use crate::store::Change;
use crate::tables::Export;

/// The function.
#[derive(Debug)]
pub struct Function {
    console: Console,
}

impl Function {
    /// The function as its environment describes it (see `template.yaml`).
    ///
    /// # Errors
    /// When a setting is missing.
    pub fn from_environment() -> Result<Self, Error> {
        Ok(Self { console: Console::from_environment()? })
    }

    /// One request.
    ///
    /// # Errors
    /// None: whatever is wrong is answered.
    pub async fn handle(
        &self,
        event: LambdaEvent<LambdaFunctionUrlRequest>,
    ) -> Result<LambdaFunctionUrlResponse, Error> {
        let is_local = self.console.is_local;
        let response = match Asked::read(&event.payload, cookie_name(is_local), is_local) {
            Ok(asked) => {
                let (takes_gzip, head) = (asked.takes_gzip, asked.head);
                self.answer(asked, SystemClock.now()).await.respond(takes_gzip, head)
            }
            Err(problem) => {
                note(&problem);
                bare_problem_page(&problem, Theme::System).respond(false, false)
            }
        };
        telemetry::flush("console", SystemClock.now());
        Ok(response)
    }

    async fn answer(&self, asked: Asked, now: Timestamp) -> Answer {
        let theme = asked.theme;
        let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
        let open = match (asked.method, &path[..]) {
            (Method::Get, ["assets", hash, name]) => {
                ASSETS.at(hash, name, asked.takes_gzip).ok_or_else(Problem::no_such_page)
            }
            (Method::Get, ["log-in"]) => Ok(login::ask(&asked)),
            (Method::Post, ["log-in"]) => login::attempt(&self.console, &asked, now).await,
            (Method::Post, ["theme"]) => change_theme(&asked),
            _ => match self.session(&asked, now).await {
                Ok(Some(session)) => return self.answer_to(session, asked, now).await,
                Ok(None) if asked.is_partial => Ok(Answer::redirect_partial("/log-in")),
                Ok(None) if asked.method == Method::Get => Ok(login::lead(&asked)),
                Ok(None) => Err(Problem::NotFromHere),
                Err(problem) => Err(problem),
            },
        };
        open.unwrap_or_else(|problem| {
            note(&problem);
            bare_problem_page(&problem, theme)
        })
    }

    /// Who is logged in, by the cookie of a request.
    async fn session(&self, asked: &Asked, now: Timestamp) -> Result<Option<Session>, Problem> {
        let Some(cookie) = &asked.cookie else { return Ok(None) };
        let key = self.console.key(now).await?;
        let Some(token) = Token::of_cookie(cookie, &key) else { return Ok(None) };
        let since = self.console.store.session(&token.hash(), now).await?;
        Ok(since.map(|since| Session { hash: token.hash(), csrf: token.csrf(&key), since }))
    }

    /// The answer to somebody who is logged in.
    async fn answer_to(&self, session: Session, asked: Asked, now: Timestamp) -> Answer {
        let may_change = asked.is_from_here && session.sent(asked.csrf.as_deref());
        let Asked { method, path, query, form, theme, .. } = asked;
        let export = Export::of(&query);
        // What is exported is no part of the page's own address.
        let query = query.with("export", None).with("table", None);
        let mut request = PageRequest { method, path, query, form, session, now, theme, export: None };
        let answer = async {
            if request.method == Method::Post && !may_change {
                return Err(Problem::NotFromHere);
            }
            request.export = export?;
            match self.reply(&request).await? {
                Reply::Page(page) => page.answer(&request),
                Reply::Done(to) => Ok(Answer::redirect(&to)),
                Reply::Answer(answer) => Ok(answer),
            }
        };
        match answer.await {
            Ok(answer) => {
                telemetry::count(if request.export.is_some() { "exported" } else { "shown" }, 1);
                answer
            }
            Err(problem) => {
                note(&problem);
                problem_page(&problem, &request)
            }
        }
    }

    async fn reply(&self, request: &PageRequest) -> Result<Reply, Problem> {
        let console = &self.console;
        let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
        match (request.method, &path[..]) {
            (Method::Post, ["log-out"]) => {
                console.store.close(&request.session.hash).await?;
                let forget = set_cookie(None, console.is_local);
                Ok(Reply::Answer(Answer::redirect("/log-in?out=here").with_cookie(forget)))
            }
            (Method::Post, ["log-out", "everywhere"]) => {
                console.changed(request, "logout_everywhere", "").await?;
                console.store.close_all(request.now).await?;
                let forget = set_cookie(None, console.is_local);
                Ok(Reply::Answer(Answer::redirect("/log-in?out=everywhere").with_cookie(forget)))
            }
            (method, path) => pages::reply(console, request, method, path).await,
        }
    }
}

impl Console {
    /// Writes down that somebody changes something, before it is done: `action` as in `publish`, `on` what it is done to. No
    /// personal data.
    ///
    /// # Errors
    /// When it cannot be written down: then it must not be done.
    pub async fn changed(&self, request: &PageRequest, action: &str, on: &str) -> Result<(), Problem> {
        let session = request.session.short().to_owned();
        let change = Change { at: request.now, session, action: action.to_owned(), on: on.to_owned() };
        let rest = Token::random().map_err(|error| no_randomness(&error))?.hash();
        Ok(self.store.note(&change, &rest).await?)
    }
}

/// Light or dark: kept by the browser, so it works on the login as well.
fn change_theme(asked: &Asked) -> Result<Answer, Problem> {
    if !asked.is_from_here {
        return Err(Problem::NotFromHere);
    }
    let theme = Theme::named(asked.form.get("theme").unwrap_or_default());
    let cookie = format!("{}={}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Strict", Theme::COOKIE, theme.as_str());
    Ok(Answer::redirect(own_address(asked.form.get("to"))).with_cookie(cookie))
}

fn note(problem: &Problem) {
    telemetry::count(problem.code(), 1);
    match problem {
        Problem::Unavailable(fault) => tracing::error!(error = %fault, "a page could not be made"),
        _ => tracing::info!(code = problem.code(), "a request was refused"),
    }
}
