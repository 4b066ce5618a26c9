#!/bin/sh
# The life of a licence with the AWS CLI alone: made, granted, used, deleted.
#
# In one shell: meterguard emulator. In another, with the export lines it prints:
# sh examples/clients/life_of_a_licence.sh. AWS=... names the command if it is not on PATH.
set -eu

seller=111111111111
buyer=222222222222

# An access key of twelve digits is an account. Any secret will do.
as() {
    account=$1
    shift
    AWS_ACCESS_KEY_ID=$account AWS_SECRET_ACCESS_KEY=any AWS_DEFAULT_REGION=us-east-1 AWS_REGION=us-east-1 \
        "${AWS:-aws}" license-manager "$@" --output text
}

arn=$(as $seller create-license --license-name 'Acme for Jo' --product-name Acme --product-sku ACME-CLI \
    --issuer Name='My shop',SignKey=arn:aws:kms:us-east-1:$seller:key/1 --home-region us-east-1 \
    --validity Begin=2020-01-01T00:00:00Z --beneficiary $buyer \
    --entitlements Name=Seats,Unit=Count,MaxCount=10,AllowCheckIn=true --client-token create \
    --consumption-configuration '{"RenewType": "None",
        "ProvisionalConfiguration": {"MaxTimeToLiveInMinutes": 60},
        "BorrowConfiguration": {"AllowEarlyCheckIn": true, "MaxTimeToLiveInMinutes": 1440}}' \
    --query LicenseArn)
grant=$(as $seller create-grant --grant-name 'For Jo' --license-arn "$arn" --home-region us-east-1 \
    --principals arn:aws:iam::$buyer:root --client-token grant --query GrantArn \
    --allowed-operations CheckoutLicense CheckInLicense ExtendConsumptionLicense CheckoutBorrowLicense)
test "$(as $buyer accept-grant --grant-arn "$grant" --query Status)" = DISABLED
as $buyer create-grant-version --grant-arn "$grant" --status ACTIVE --source-version 1 --client-token activate >/dev/null
echo 'granted and active'

used() {
    as $seller get-license-usage --license-arn "$arn" --query 'LicenseUsage.EntitlementUsages[0].ConsumedValue'
}

fingerprint=$(as $buyer list-received-licenses --filters Name=ProductSKU,Values=ACME-CLI \
    --query 'Licenses[0].Issuer.KeyFingerprint')
take() {
    as $buyer checkout-license --product-sku ACME-CLI --key-fingerprint "$fingerprint" --checkout-type PROVISIONAL \
        --entitlements Name=Seats,Unit=Count,Value=4 --client-token "$1" --query LicenseConsumptionToken
}
held=$(take hold)
as $buyer extend-license-consumption --license-consumption-token "$held" >/dev/null
test "$(used)" = 4
echo '4 seats checked out and extended'

borrowed=$(as $buyer checkout-borrow-license --license-arn "$arn" --entitlements Name=Seats,Unit=Count,Value=4 \
    --digital-signature-method JWT_PS384 --client-token borrow --query LicenseConsumptionToken)
test "$(used)" = 8
if refusal=$(take more 2>&1); then exit 1; fi
case $refusal in *NoEntitlementsAllowedException*) ;; *) exit 1 ;; esac
echo '8 of 10 seats are taken, 4 more are refused'

for token in "$held" "$borrowed"; do
    as $buyer check-in-license --license-consumption-token "$token"
done
test "$(used)" = 0
as $seller delete-grant --grant-arn "$grant" --version 2 >/dev/null
as $seller delete-license --license-arn "$arn" --source-version 1 >/dev/null
test "$(as $seller get-license --license-arn "$arn" --query License.Status)" = DELETED
echo 'checked in and deleted'
