//! `NetworkPolicy`: which pods may open connections to which.

use serde::Serialize;

use super::meta::{LabelSelector, Labels, ObjectMeta};

/// A `NetworkPolicy` of `networking.k8s.io/v1`.
///
/// A pod that some policy selects for a direction is *isolated* in it: only what a rule of one of these policies lists gets
/// through. A connection needs the consent of both ends (`staging/src/k8s.io/api/networking/v1/types.go`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkPolicy {
    /// Its name and namespace.
    pub meta: ObjectMeta,
    /// The pods of its namespace that it is about; all, if it is empty.
    pub pod_selector: LabelSelector,
    /// Who may connect to them; none if it does not isolate them in this direction.
    pub ingress: Option<Vec<PolicyRule>>,
    /// Whom they may connect to.
    pub egress: Option<Vec<PolicyRule>>,
}

/// One thing that a policy allows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRule {
    /// The other end; empty: anybody.
    pub peers: Vec<PolicyPeer>,
    /// TCP ports of the server's pod. None: any port.
    pub ports: Option<Vec<u16>>,
}

/// Pods at the other end of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyPeer {
    /// With these labels; none: any pod of the namespaces.
    pub pods: Option<LabelSelector>,
    /// In namespaces with these labels; none: in the policy's own.
    pub namespaces: Option<LabelSelector>,
}

/// One end of a connection, as policies see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyEnd<'a> {
    /// The pod's namespace.
    pub namespace: &'a str,
    /// That namespace's labels.
    pub namespace_labels: &'a Labels,
    /// The pod's labels.
    pub labels: &'a Labels,
}

/// Whether policies let a client open a connection to a port of a server. None is an end that is no pod.
pub fn policies_allow(
    policies: &[NetworkPolicy],
    client: Option<PolicyEnd<'_>>,
    server: Option<PolicyEnd<'_>>,
    port: Option<u16>,
) -> bool {
    let passes = |end: Option<PolicyEnd<'_>>, other, rules: fn(&NetworkPolicy) -> Option<&Vec<PolicyRule>>| {
        let Some(end) = end else { return true };
        let mut isolated = false;
        for policy in policies.iter().filter(|policy| policy.selects(end)) {
            if let Some(rules) = rules(policy) {
                isolated = true;
                if rules.iter().any(|rule| rule.lists(other, port, policy)) {
                    return true;
                }
            }
        }
        !isolated
    };
    passes(server, client, |policy| policy.ingress.as_ref()) && passes(client, server, |policy| policy.egress.as_ref())
}

impl NetworkPolicy {
    fn selects(&self, end: PolicyEnd<'_>) -> bool {
        self.meta.namespace == end.namespace && self.pod_selector.matches(end.labels)
    }
}

impl PolicyRule {
    fn lists(&self, other: Option<PolicyEnd<'_>>, port: Option<u16>, policy: &NetworkPolicy) -> bool {
        let peer = |peer: &PolicyPeer| {
            other.is_some_and(|other| {
                let in_namespace = match &peer.namespaces {
                    None => other.namespace == policy.meta.namespace,
                    Some(selector) => selector.matches(other.namespace_labels),
                };
                in_namespace && peer.pods.as_ref().is_none_or(|selector| selector.matches(other.labels))
            })
        };
        (self.peers.is_empty() || self.peers.iter().any(peer))
            && self.ports.as_ref().is_none_or(|ports| port.is_some_and(|port| ports.contains(&port)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(app: &str) -> Labels {
        Labels::from([("app".into(), app.into())])
    }

    fn selector(app: &str) -> LabelSelector {
        LabelSelector { match_labels: labels(app), match_expressions: Vec::new() }
    }

    fn policy(app: Option<&str>, ingress: Option<Vec<PolicyRule>>, egress: Option<Vec<PolicyRule>>) -> NetworkPolicy {
        let meta = ObjectMeta { name: "p".into(), namespace: "shop".into(), ..ObjectMeta::default() };
        NetworkPolicy { meta, pod_selector: app.map(selector).unwrap_or_default(), ingress, egress }
    }

    fn from(app: &str, ports: Option<Vec<u16>>) -> PolicyRule {
        PolicyRule { peers: vec![PolicyPeer { pods: Some(selector(app)), namespaces: None }], ports }
    }

    /// Which of these connections pass, in the order: web to db, other to db, a user to db, db to web, web elsewhere to db.
    fn check(policies: &[NetworkPolicy], expected: [bool; 5]) {
        let (web, db, other, none) = (labels("web"), labels("db"), labels("other"), Labels::new());
        let end = |labels, namespace| Some(PolicyEnd { namespace, namespace_labels: &none, labels });
        let (web_here, db) = (end(&web, "shop"), end(&db, "shop"));
        let seen = [
            policies_allow(policies, web_here, db, Some(27017)),
            policies_allow(policies, end(&other, "shop"), db, Some(27017)),
            policies_allow(policies, None, db, Some(27017)),
            policies_allow(policies, db, web_here, Some(80)),
            policies_allow(policies, end(&web, "elsewhere"), db, Some(27017)),
        ];
        assert_eq!(seen, expected, "{policies:?}");
    }

    #[test]
    fn isolated_pods_take_what_is_listed() {
        check(&[], [true; 5]);
        check(&[policy(Some("db"), Some(vec![from("web", None)]), None)], [true, false, false, true, false]);
        check(&[policy(Some("db"), Some(vec![]), None)], [false, false, false, true, false]);
        check(&[policy(Some("db"), Some(vec![PolicyRule::default()]), None)], [true; 5]);
        // Of two policies each allows what it lists.
        let two = [policy(Some("db"), Some(vec![]), None), policy(Some("db"), Some(vec![from("other", None)]), None)];
        check(&two, [false, true, false, true, false]);
        check(
            &[policy(Some("db"), Some(vec![from("web", Some(vec![27017]))]), None)],
            [true, false, false, true, false],
        );
        check(&[policy(Some("db"), Some(vec![from("web", Some(vec![80]))]), None)], [false, false, false, true, false]);
        // Both ends must consent.
        check(&[policy(Some("web"), None, Some(vec![]))], [false, true, true, true, true]);
        check(&[policy(None, Some(vec![]), Some(vec![]))], [false; 5]);
        let elsewhere = PolicyPeer { pods: Some(selector("web")), namespaces: Some(LabelSelector::default()) };
        let anywhere = PolicyRule { peers: vec![elsewhere], ports: None };
        check(&[policy(Some("db"), Some(vec![anywhere]), None)], [true, false, false, true, true]);
    }
}
