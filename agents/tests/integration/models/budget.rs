//! A limit on what a run may spend.

use std::sync::Arc;

use agents::model::budget::{Capped, SpendingLimit};
use agents::model::price::Price;
use agents::model::{ChatModel, ModelFailure};

use super::server::Server;
use super::{model_on, question, words};

#[tokio::test]
async fn the_limit_is_shared_and_final() {
    let server = Server::start(vec![words("Yes.")]).await;
    // Each call reads 11 tokens and writes 7.
    let priced = || model_on(&server, Arc::default(), |config| config.price = Some(Price { input: 2.0, output: 4.0 }));
    let limit = Arc::new(SpendingLimit::new(100));
    let models = [Capped::new(priced(), limit.clone()), Capped::new(priced(), limit.clone())];
    let question = question();
    for (model, spent) in [(&models[0], 50), (&models[1], 100)] {
        assert_eq!(model.complete(&question).await.unwrap().usage.cost_micro_usd, 50);
        assert_eq!(limit.spent(), spent);
    }
    assert!(limit.is_reached());
    let failure = models[0].complete(&question).await.unwrap_err();
    assert_eq!(failure, ModelFailure::Spent("0.000100 of 0.000100 USD are spent".into()));
    assert!(failure.is_final());
    assert_eq!(server.bodies().len(), 2);
}
