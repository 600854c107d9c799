//! The Lambda function: a request in, the answer and the counters out.

use aws_lambda_events::event::lambda_function_urls::{LambdaFunctionUrlRequest, LambdaFunctionUrlResponse};
use aws_sdk_dynamodb::Client as DynamoDb;
use kairos_cloud::clock::SystemClock;
use kairos_cloud::environment::required;
use kairos_cloud::promo_codes::PromoCodesTable;
use kairos_cloud::queues::Mailboxes;
use kairos_cloud::requests::{body_text, check_key};
use kairos_cloud::secrets::{Secret, access_key};
use kairos_cloud::users::UsersTable;
use kairos_cloud::{service, telemetry};
use kairos_engine::bounds::{REDEEM_BYTES_MAX, REDEEM_KEY_REFRESH};
use kairos_protocol::port::Clock;
use kairos_protocol::promo_codes::{Checked, NotRedeemed, Ports, PromoCode, Redeemed, Refusal};
use lambda_runtime::{Error, LambdaEvent};

use crate::answer;
use crate::request::{self, RequestRefusal, Route};

/// The function with everything it talks to.
#[derive(Debug)]
pub struct Function {
    codes: PromoCodesTable,
    users: UsersTable,
    mailboxes: Mailboxes,
    key: Secret<String>,
}

impl Function {
    /// The function as its environment describes it (see `template.yaml`).
    ///
    /// # Errors
    /// When a setting is missing.
    pub fn from_environment() -> Result<Self, Error> {
        let config = service::start()?;
        let tables = DynamoDb::new(&config);
        let secrets = aws_sdk_secretsmanager::Client::new(&config);
        Ok(Self {
            codes: PromoCodesTable::new(tables.clone(), required("PROMO_CODES_TABLE")?),
            users: UsersTable::new(tables, required("USERS_TABLE")?),
            mailboxes: Mailboxes::new(aws_sdk_sqs::Client::new(&config), required("EVENTS_QUEUE_URL")?),
            key: Secret::new(secrets, required("REDEEM_KEY_ARN")?, REDEEM_KEY_REFRESH, access_key),
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
        let answer = self.take(&event.payload).await.unwrap_or_else(|refusal| {
            telemetry::count(refusal.code(), 1);
            answer::request_refused(&refusal)
        });
        telemetry::flush("redeem", SystemClock.now());
        Ok(answer)
    }

    async fn take(&self, request: &LambdaFunctionUrlRequest) -> Result<LambdaFunctionUrlResponse, RequestRefusal> {
        let route = request::route(request)?;
        let key = self.key.current(SystemClock.now()).await.map_err(|error| {
            tracing::error!(%error, "the key of redemptions could not be read");
            RequestRefusal::KeyUnavailable
        })?;
        check_key(request, &key).map_err(RequestRefusal::Key)?;
        let text = body_text(request, REDEEM_BYTES_MAX).map_err(RequestRefusal::Body)?;
        let (code, sale) = request::read(route, &text)?;
        let ports = Ports { codes: &self.codes, users: &self.users, mailboxes: &self.mailboxes, clock: &SystemClock };
        Ok(match (route, &sale.order) {
            (Route::Redeem, Some(order)) => match ports.redeem(&code, order, &sale).await {
                Ok(redeemed) => answered(&redeemed),
                Err(error) => failed(&error),
            },
            _ => match ports.check(&code, &sale).await {
                Ok(Checked::Good(code, discount)) => {
                    telemetry::count("checked", 1);
                    answer::good(&code, discount)
                }
                Ok(Checked::Refused(refusal)) => refused(&refusal),
                Err(error) => failed(&error),
            },
        })
    }
}

fn answered(redeemed: &Redeemed) -> LambdaFunctionUrlResponse {
    match redeemed {
        Redeemed::Now(code) => {
            telemetry::count("redeemed", 1);
            let channel = code.redeemed.as_ref().map(|redeemed| redeemed.channel.as_str());
            let (play, promotion) = code.given.as_ref().map(|given| (&given.play, &given.promotion)).unzip();
            let delivery = code.given.as_ref().map(|given| given.delivery.to_string());
            tracing::info!(delivery, play, promotion, channel, "a promo code was redeemed");
            used(code)
        }
        Redeemed::Again(code) => {
            telemetry::count("redeemed_again", 1);
            used(code)
        }
        Redeemed::Refused(refusal) => refused(refusal),
    }
}

fn used(code: &PromoCode) -> LambdaFunctionUrlResponse {
    answer::good(code, code.redeemed.as_ref().and_then(|redeemed| redeemed.discount))
}

fn refused(refusal: &Refusal) -> LambdaFunctionUrlResponse {
    telemetry::count(refusal.code(), 1);
    answer::refused(refusal)
}

fn failed(error: &NotRedeemed) -> LambdaFunctionUrlResponse {
    telemetry::count("try_again", 1);
    tracing::error!(%error, "it is not known how a redemption ended; the same request again finds out");
    answer::unknown()
}
