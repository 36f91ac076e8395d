//! Commands in containers.

use bridge::Error;
use sim::environment::Failure;

use crate::harness::in_the_lab;

#[test]
#[ignore = "needs the lab"]
fn commands_run_in_a_container() {
    in_the_lab("commands", async |lab| {
        lab.deploy("one", 1).await;
        let [pod] = <[_; 1]>::try_from(lab.until_ready("one", 1).await).unwrap();
        let missing = lab.bridge.exec(&pod.name, "one", &["/missing"]).await.unwrap_err();
        assert!(matches!(missing, Error::Exec { .. }), "{missing}");
        let missing = lab.bridge.start(&pod.name, "one", &["/missing"]).await.unwrap_err();
        assert!(matches!(missing, Error::Exec { .. }), "{missing}");
        let nobody = lab.bridge.exec("nobody", "one", &["/pause"]).await.unwrap_err().into_failure();
        assert!(matches!(nobody, Failure::Rejected(_)), "{nobody}");
    });
}
