//! The Lambda function: a request in, the answer and the counters out.

use aws_lambda_events::event::lambda_function_urls::{LambdaFunctionUrlRequest, LambdaFunctionUrlResponse};
use aws_lambda_events::http::HeaderValue;
use aws_lambda_events::http::header::CONTENT_TYPE;
use kairos_cloud::clock::SystemClock;
use kairos_cloud::environment::required;
use kairos_cloud::faults::without_content;
use kairos_cloud::queues::Feedback;
use kairos_cloud::requests::json_answer;
use kairos_cloud::{service, telemetry};
use kairos_engine::bounds::{CALLBACK_AGE_MAX, CALLBACK_AHEAD_MAX, CALLBACK_NEWS_MAX};
use kairos_engine::time::Timestamp;
use kairos_protocol::port::Clock;
use kairos_protocol::receipts::Receipt;
use lambda_runtime::{Error, LambdaEvent};
use serde_json::json;

use crate::proof::{is_secret, is_signed};
use crate::request::{Refusal, Route, body, header, route};
use crate::secrets::{Secrets, Which};
use crate::{telegram, viber, whatsapp};

/// The function with everything it talks to.
#[derive(Debug)]
pub struct Function {
    secrets: Secrets,
    feedback: Feedback,
}

impl Function {
    /// The function as its environment describes it (see `template.yaml`).
    ///
    /// # Errors
    /// When a setting is missing.
    pub fn from_environment() -> Result<Self, Error> {
        let config = service::start()?;
        let secrets = aws_sdk_secretsmanager::Client::new(&config);
        Ok(Self {
            secrets: Secrets::new(&secrets, &required("MESSENGER_SECRETS")?),
            feedback: Feedback::new(aws_sdk_sqs::Client::new(&config), required("FEEDBACK_QUEUE_URL")?),
        })
    }

    /// One request.
    ///
    /// # Errors
    /// None: whatever is wrong is answered.
    pub async fn handle(
        &self,
        event: LambdaEvent<LambdaFunctionUrlRequest>,
    ) -> Result<LambdaFunctionUrlResponse, Error> {
        let answer = Box::pin(self.answer(&event.payload, SystemClock.now())).await.unwrap_or_else(|refusal| {
            telemetry::count(refusal.code(), 1);
            json_answer(refusal.status(), &json!({"code": refusal.code(), "message": refusal.message()}))
        });
        telemetry::flush("callbacks", SystemClock.now());
        Ok(answer)
    }

    async fn answer(
        &self,
        request: &LambdaFunctionUrlRequest,
        now: Timestamp,
    ) -> Result<LambdaFunctionUrlResponse, Refusal> {
        let route = route(request)?;
        if route == Route::WhatsappVerification {
            return self.verify(request, now).await;
        }
        let body = body(request)?;
        let is_proved = match route {
            Route::Telegram => {
                let given = header(request, "x-telegram-bot-api-secret-token");
                self.secrets.proves(Which::Telegram, now, |secret| is_secret(secret, given)).await
            }
            Route::Viber => {
                let given = header(request, "x-viber-content-signature");
                self.secrets.proves(Which::Viber, now, |key| is_signed(key, &body, given)).await
            }
            Route::Whatsapp | Route::WhatsappVerification => {
                let given = header(request, "x-hub-signature-256").strip_prefix("sha256=").unwrap_or_default();
                self.secrets.proves(Which::Whatsapp, now, |key| is_signed(key, &body, given)).await
            }
        };
        let is_proved = is_proved.map_err(|error| {
            tracing::error!(%error, "the secret that callbacks are checked with could not be read");
            Refusal::NoSecret
        })?;
        if !is_proved {
            return Err(Refusal::Forged);
        }
        let read = match route {
            Route::Telegram => telegram::read(&body).map(|receipts| (receipts, 0)),
            Route::Viber => viber::read(&body).map(|receipts| (receipts, 0)),
            Route::Whatsapp | Route::WhatsappVerification => whatsapp::read(&body),
        };
        let (receipts, left_out) = read.map_err(|error| {
            tracing::error!(why = without_content(&error), "a callback of another form than documented");
            Refusal::NotUnderstood
        })?;
        telemetry::count("callback_left_out", left_out);
        if receipts.len() > CALLBACK_NEWS_MAX {
            return Err(Refusal::TooLarge);
        }
        self.keep(receipts, now).await?;
        Ok(json_answer(200, &json!({"ok": true})))
    }

    /// Gives receipts to the queue; those that are too old, or yet to come, are somebody's recordings.
    async fn keep(&self, receipts: Vec<Receipt>, now: Timestamp) -> Result<(), Refusal> {
        let found = receipts.len();
        let fresh: Vec<Receipt> = receipts.into_iter().filter(|receipt| is_fresh(receipt.at, now)).collect();
        telemetry::count("callback_stale", found - fresh.len());
        telemetry::count("callback_news", fresh.len());
        if fresh.is_empty() {
            return Ok(());
        }
        self.feedback.send(fresh).await.map_err(|error| {
            tracing::error!(%error, "a callback could not be kept; its messenger tells it again");
            Refusal::TryAgain
        })
    }

    /// Meta asks whose endpoint this is, with a token that the shop has chosen, and wants its challenge back.
    async fn verify(
        &self,
        request: &LambdaFunctionUrlRequest,
        now: Timestamp,
    ) -> Result<LambdaFunctionUrlResponse, Refusal> {
        let parameter = |name: &str| request.query_string_parameters.get(name).map_or("", String::as_str);
        let (mode, token, challenge) =
            (parameter("hub.mode"), parameter("hub.verify_token"), parameter("hub.challenge"));
        // Only letters and digits are given back: nobody makes a page out of that.
        let is_plain =
            (1..=64).contains(&challenge.len()) && challenge.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if mode != "subscribe" || !is_plain {
            return Err(Refusal::NotUnderstood);
        }
        match self.secrets.proves(Which::WhatsappVerify, now, |secret| is_secret(secret, token)).await {
            Ok(true) => {
                telemetry::count("callback_verified", 1);
                let mut response = json_answer(200, &json!(null));
                response.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
                response.body = Some(challenge.to_owned());
                Ok(response)
            }
            Ok(false) => Err(Refusal::Forged),
            Err(error) => {
                tracing::error!(%error, "the token that Meta verifies endpoints with could not be read");
                Err(Refusal::NoSecret)
            }
        }
    }
}

fn is_fresh(at: Timestamp, now: Timestamp) -> bool {
    now.since(at) <= CALLBACK_AGE_MAX && at.since(now) <= CALLBACK_AHEAD_MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use kairos_engine::time::Span;

    #[test]
    fn recordings_are_told_from_news() {
        let now = Timestamp::from_millis(1_795_262_400_000);
        for (at, expected) in [
            (now, true),
            (now.minus(CALLBACK_AGE_MAX), true),
            (now.minus(CALLBACK_AGE_MAX).minus(Span::from_secs(1)), false),
            (now.plus(CALLBACK_AHEAD_MAX), true),
            (now.plus(CALLBACK_AHEAD_MAX).plus(Span::from_secs(1)), false),
            (Timestamp::from_millis(i64::MIN), false),
            (Timestamp::from_millis(i64::MAX), false),
        ] {
            assert_eq!(is_fresh(at, now), expected, "{at}");
        }
    }
}
