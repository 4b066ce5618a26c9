Feature: Metadata

  Background:
    Given a stable provider

  Scenario: A provider has a name
    Then the provider metadata name should not be empty

  Scenario: Flags tell when their lease ends
    Given a Boolean-flag with key "boolean-flag" and a default value "false"
    When the flag was evaluated with details
    Then the resolved metadata should contain
      | key              | metadata_type |
      | meterguardReason | String        |
      | expiresAt        | String        |
      | remaining        | Integer       |

  Scenario: A key that nobody knows has none
    Given a Boolean-flag with key "missing-flag" and a default value "false"
    When the flag was evaluated with details
    Then the resolved metadata is empty
