//! Which services and operations are derived. To serve one more operation, add its name to a group.

/// A service and what is taken from its model.
pub(super) struct Service {
    pub(super) name: &'static str,
    /// Folder of the model in botocore's data.
    pub(super) model: &'static str,
    /// Operations in the constraint data; all of them when empty.
    pub(super) kept: &'static [&'static str],
    /// Files of typed shapes with their operations. A shape that several need is in the first of them.
    pub(super) groups: &'static [Group],
}

/// One file of typed shapes.
pub(super) struct Group {
    pub(super) name: &'static str,
    pub(super) operations: &'static [&'static str],
}

pub(super) const SERVICES: [Service; 2] = [
    Service {
        name: "lambda",
        model: "lambda/2015-03-31",
        kept: &[],
        groups: &[
            Group {
                name: "functions",
                operations: &[
                    "CreateFunction",
                    "GetFunction",
                    "GetFunctionConfiguration",
                    "ListFunctions",
                    "UpdateFunctionConfiguration",
                    "DeleteFunction",
                ],
            },
            Group { name: "code", operations: &["UpdateFunctionCode"] },
            Group { name: "account", operations: &["GetAccountSettings"] },
            Group { name: "invoke", operations: &["Invoke"] },
            Group { name: "versions", operations: &["PublishVersion", "ListVersionsByFunction"] },
            Group {
                name: "aliases",
                operations: &["CreateAlias", "GetAlias", "ListAliases", "UpdateAlias", "DeleteAlias"],
            },
            Group {
                name: "concurrency",
                operations: &[
                    "PutFunctionConcurrency",
                    "GetFunctionConcurrency",
                    "DeleteFunctionConcurrency",
                    "PutProvisionedConcurrencyConfig",
                    "GetProvisionedConcurrencyConfig",
                    "ListProvisionedConcurrencyConfigs",
                    "DeleteProvisionedConcurrencyConfig",
                ],
            },
            Group {
                name: "event_invoke_config",
                operations: &[
                    "PutFunctionEventInvokeConfig",
                    "UpdateFunctionEventInvokeConfig",
                    "GetFunctionEventInvokeConfig",
                    "ListFunctionEventInvokeConfigs",
                    "DeleteFunctionEventInvokeConfig",
                ],
            },
            Group {
                name: "event_source_mappings",
                operations: &[
                    "CreateEventSourceMapping",
                    "GetEventSourceMapping",
                    "ListEventSourceMappings",
                    "UpdateEventSourceMapping",
                    "DeleteEventSourceMapping",
                ],
            },
            Group {
                name: "layers",
                operations: &[
                    "PublishLayerVersion",
                    "GetLayerVersion",
                    "GetLayerVersionByArn",
                    "ListLayers",
                    "ListLayerVersions",
                    "DeleteLayerVersion",
                    "AddLayerVersionPermission",
                    "GetLayerVersionPolicy",
                    "RemoveLayerVersionPermission",
                ],
            },
            Group {
                name: "function_urls",
                operations: &[
                    "CreateFunctionUrlConfig",
                    "GetFunctionUrlConfig",
                    "ListFunctionUrlConfigs",
                    "UpdateFunctionUrlConfig",
                    "DeleteFunctionUrlConfig",
                ],
            },
            Group {
                name: "policies",
                operations: &[
                    "AddPermission",
                    "GetPolicy",
                    "RemovePermission",
                    "GetResourcePolicy",
                    "PutResourcePolicy",
                    "DeleteResourcePolicy",
                ],
            },
            Group { name: "tags", operations: &["TagResource", "ListTags", "UntagResource"] },
            Group {
                name: "code_signing",
                operations: &[
                    "CreateCodeSigningConfig",
                    "GetCodeSigningConfig",
                    "ListCodeSigningConfigs",
                    "UpdateCodeSigningConfig",
                    "DeleteCodeSigningConfig",
                    "ListFunctionsByCodeSigningConfig",
                    "PutFunctionCodeSigningConfig",
                    "GetFunctionCodeSigningConfig",
                    "DeleteFunctionCodeSigningConfig",
                ],
            },
            Group {
                name: "runtime_management",
                operations: &["GetRuntimeManagementConfig", "PutRuntimeManagementConfig"],
            },
            Group { name: "recursion", operations: &["GetFunctionRecursionConfig", "PutFunctionRecursionConfig"] },
            Group {
                name: "durable",
                operations: &[
                    "ListDurableExecutionsByFunction",
                    "GetDurableExecution",
                    "GetDurableExecutionHistory",
                    "GetDurableExecutionState",
                    "CheckpointDurableExecution",
                    "StopDurableExecution",
                    "PauseDurableExecution",
                    "ResumeDurableExecution",
                    "DeleteDurableExecution",
                    "SendDurableExecutionCallbackSuccess",
                    "SendDurableExecutionCallbackFailure",
                    "SendDurableExecutionCallbackHeartbeat",
                ],
            },
            Group {
                name: "capacity",
                operations: &[
                    "CreateCapacityProvider",
                    "GetCapacityProvider",
                    "ListCapacityProviders",
                    "UpdateCapacityProvider",
                    "DeleteCapacityProvider",
                    "ListFunctionVersionsByCapacityProvider",
                    "PutFunctionScalingConfig",
                    "GetFunctionScalingConfig",
                ],
            },
        ],
    },
    Service {
        name: "logs",
        model: "logs/2014-03-28",
        kept: &[
            "CreateLogGroup",
            "CreateLogStream",
            "DeleteLogGroup",
            "DeleteLogStream",
            "DeleteRetentionPolicy",
            "DescribeLogGroups",
            "DescribeLogStreams",
            "FilterLogEvents",
            "GetLogEvents",
            "ListTagsForResource",
            "PutLogEvents",
            "PutRetentionPolicy",
            "TagResource",
            "UntagResource",
        ],
        groups: &[],
    },
];
