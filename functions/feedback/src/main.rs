//! `feedback` on Lambda.

use kairos_cloud::service;
use kairos_feedback::Function;
use lambda_runtime::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let function = Function::from_environment()?;
    service::run(|event| function.handle(event)).await
}
