//! Starts `reports`.

use kairos_cloud::service;
use kairos_reports::function::{Asked, Reports};
use lambda_runtime::{Error, LambdaEvent};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let reports = Reports::from_environment()?;
    service::run(|event: LambdaEvent<Asked>| reports.handle(event.payload)).await
}
