//! The console: who gets in, what it shows, how fast, and in a browser.

mod browser;
mod figures;
mod load;
mod security;

use kairos_cloud::playbooks::PlaybookStore;
use reqwest::header::HeaderMap;
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use crate::harness::{Stage, root};

/// A response of the console.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// What its `Set-Cookie` keeps, as it is sent back.
    fn cookie(&self) -> Option<String> {
        let set = self.header("set-cookie");
        set.split(';').next().filter(|cookie| cookie.contains('=')).map(str::to_owned)
    }

    /// The token of the forms of a page.
    fn csrf(&self) -> String {
        let (_, rest) = self.body.split_once("name=\"csrf\" value=\"").expect("a page has forms");
        rest.split('"').next().unwrap().to_owned()
    }
}

/// The console of a stage, as a program talks to it.
pub(super) struct Console {
    pub(super) stage: &'static Stage,
    url: String,
}

/// Only one test at a time logs in and out of everything.
static LOGINS: Mutex<()> = Mutex::const_new(());

impl Console {
    /// The console of a stage of its own: with the shipped playbook, and the figures of a shop with a million users.
    pub(super) async fn open() -> &'static Self {
        static CONSOLE: OnceCell<Console> = OnceCell::const_new();
        CONSOLE
            .get_or_init(async || {
                let stage = Stage::console().await;
                let playbook = kairos_playbook::load(&root().join("playbook")).unwrap().playbook;
                let store = PlaybookStore::new(stage.dynamodb.clone(), stage.output("PlaybookTable").to_owned());
                store.publish(&playbook).await.unwrap();
                figures::fill(stage, &playbook).await;
                let url = stage.stack.function_url("ConsoleUrl").unwrap();
                Self { stage, url }
            })
            .await
    }

    /// The right to end sessions and to use up attempts; nobody else logs in meanwhile.
    pub(super) async fn alone() -> MutexGuard<'static, ()> {
        LOGINS.lock().await
    }

    pub(super) async fn password(&self) -> String {
        let secrets = aws_sdk_secretsmanager::Client::new(&self.stage.config);
        let secret = secrets.get_secret_value().secret_id(self.stage.output("ConsolePasswordArn")).send().await;
        secret.unwrap().secret_string.unwrap()
    }

    pub(super) async fn get(&self, path: &str, cookie: &str) -> Answer {
        self.send(self.stage.http.get(format!("{}{path}", self.url)).header("cookie", cookie)).await
    }

    /// Sends a form as a page of the console does.
    pub(super) async fn post(&self, path: &str, cookie: &str, form: &str) -> Answer {
        self.post_from(path, cookie, form, "same-origin").await
    }

    /// Sends a form from elsewhere.
    pub(super) async fn post_from(&self, path: &str, cookie: &str, form: &str, site: &str) -> Answer {
        let request = self
            .stage
            .http
            .post(format!("{}{path}", self.url))
            .header("cookie", cookie)
            .header("sec-fetch-site", site)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.to_owned());
        self.send(request).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: response.text().await.unwrap() }
    }

    /// Logs in, and gives the cookie.
    pub(super) async fn log_in(&self) -> String {
        let answer = self.post("/log-in", "", &format!("password={}", self.password().await)).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        answer.cookie().unwrap()
    }
}
