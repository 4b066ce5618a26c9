Feature: Reasons

  Background:
    Given a stable provider

  @cached-from-the-start
  Scenario Outline: A flag without rules is static
    Given a <type>-flag with key "<key>" and a default value "<default>"
    When the flag was evaluated with details
    Then the reason should be "STATIC"

    Examples:
      | key          | type    | default |
      | boolean-flag | Boolean | false   |
      | string-flag  | String  | bye     |

  Scenario Outline: A flag that is answered by a lease is cached
    Given a <type>-flag with key "<key>" and a default value "<default>"
    When the flag was evaluated with details
    Then the reason should be "CACHED"
    And the error-code should be ""

    Examples:
      | key          | type    | default |
      | boolean-flag | Boolean | false   |
      | string-flag  | String  | bye     |

  Scenario: Units are static when they are asked for, and cached afterwards
    Given a Integer-flag with key "integer-flag" and a default value "1"
    When the flag was evaluated with details
    Then the reason should be "STATIC"
    When the flag was evaluated with details
    Then the reason should be "CACHED"

  Scenario Outline: An error has a code and the reason that goes with it
    Given a String-flag with key "<key>" and a default value "fallback"
    When the flag was evaluated with details
    Then the reason should be "ERROR"
    And the error-code should be "<code>"

    Examples:
      | key          | code           |
      | missing-flag | FLAG_NOT_FOUND |
      | boolean-flag | TYPE_MISMATCH  |

  @targeting
  Scenario: A rule that matches is a match
    Given a String-flag with key "targeting-key-flag" and a default value "fallback"
    And a context containing a targeting key with value "somebody"
    When the flag was evaluated with details
    Then the reason should be "TARGETING_MATCH"

  @disabled-flags
  Scenario: A flag that is disabled says so
    Given a Boolean-flag with key "disabled-boolean-flag" and a default value "true"
    When the flag was evaluated with details
    Then the reason should be "DISABLED"
