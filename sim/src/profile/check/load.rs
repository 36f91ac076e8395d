//! Users, levels and the default load.

use super::programs::answers_request;
use super::{Check, member};
use crate::profile::{Assignment, UserClass, UserTask, UserWait};

impl Check<'_> {
    pub(super) fn user_classes(&mut self) {
        for (name, class) in &self.located.value.user_classes {
            self.user_class(&member("user_classes", name), class);
        }
    }

    fn user_class(&mut self, field: &str, class: &UserClass) {
        if let UserWait::Between { min, max } = class.wait
            && min > max
        {
            self.error(
                &format!("{field}.wait.between"),
                format!("{min} is longer than {max}"),
                "exchange `min` and `max`",
            );
        }
        self.is(
            class.timeout.is_none_or(|t| t.0 > 0),
            &format!("{field}.timeout"),
            "0 lets every request fail",
            "use a duration above 0, or leave it out for none",
        );
        for (attribute, value) in &class.attributes {
            let field = member(&format!("{field}.attributes"), attribute);
            self.attribute_exists(&field, attribute);
            self.is(value.is_finite(), &field, "it is not finite", "use a number");
        }
        self.is(
            !class.tasks.is_empty(),
            &format!("{field}.tasks"),
            "there are none",
            "give its users at least one task",
        );
        for (i, task) in class.tasks.iter().enumerate() {
            self.task(&format!("{field}.tasks[{i}]"), task);
        }
    }

    fn task(&mut self, field: &str, task: &UserTask) {
        self.positive(&format!("{field}.weight"), task.weight);
        self.is(
            !task.requests.is_empty(),
            &format!("{field}.requests"),
            "there are none",
            "give the task at least one request",
        );
        for (i, request) in task.requests.iter().enumerate() {
            let field = format!("{field}.requests[{i}]");
            self.request(&format!("{field}.request"), &request.request);
            if let Some(to) = &request.to
                && self.service_exists(&format!("{field}.to"), to)
            {
                self.warn_of_404(&format!("{field}.request"), to, &request.request);
            }
            for (attribute, assignment) in &request.set {
                let field = member(&format!("{field}.set"), attribute);
                self.attribute_exists(&field, attribute);
                let values = match assignment {
                    Assignment::Value(value) => std::slice::from_ref(value),
                    Assignment::OneOf(values) => values,
                };
                self.is(
                    !values.is_empty(),
                    &format!("{field}.one-of"),
                    "there are no values to choose from",
                    "give at least one",
                );
                self.is(values.iter().all(|v| v.is_finite()), &field, "a value is not finite", "use numbers");
            }
        }
    }

    fn warn_of_404(&mut self, field: &str, to: &str, request: &str) {
        if !answers_request(&self.located.value.services[to], request) {
            let help = format!("this is how it will be; list the endpoint if `{to}` has it");
            self.warning(field, format!("`{to}` will answer `{request}` with 404"), help);
        }
    }

    pub(super) fn levels(&mut self) {
        for (name, level) in &self.located.value.levels {
            let field = member("levels", name);
            self.is(level.users > 0, &format!("{field}.users"), "0 users are no load", "use at least 1");
            self.positive(&format!("{field}.spawn_rate"), level.spawn_rate);
            for (service, users) in &level.users_by_target {
                let field = member(&format!("{field}.users_by_target"), service);
                self.service_exists(&field, service);
                self.is(*users > 0, &field, "0 users are no load", "use at least 1");
            }
        }
    }

    pub(super) fn default_load(&mut self) {
        let profile = &self.located.value;
        let Some(load) = &profile.default_load else { return };
        if !profile.levels.contains_key(&load.level) {
            self.unknown("default_load.level", "level", &load.level, profile.levels.keys().map(String::as_str));
        }
        let target_exists = self.service_exists("default_load.target", &load.target);
        let Some(class) = profile.user_classes.get(&load.user_class) else {
            self.unknown(
                "default_load.user_class",
                "user class",
                &load.user_class,
                profile.user_classes.keys().map(String::as_str),
            );
            return;
        };
        let requests = class.tasks.iter().flat_map(|task| &task.requests);
        for request in requests.filter(|r| target_exists && r.to.is_none()) {
            self.warn_of_404("default_load.target", &load.target, &request.request);
        }
    }
}
