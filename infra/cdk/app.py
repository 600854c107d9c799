"""Deploys template.yaml with the CDK, for accounts that are run with it and for what is added around the system.

The template stays the only description: it is included as it is, and only the code of each function is replaced by what
`cargo lambda build --release --arm64` has built. What grows around it (dashboards, a domain) refers to its resources
through `Kairos.template`.

Context (`cdk deploy -c NAME=VALUE`): `stack`, name of the stack, "kairos" by default; `binaries`, directory with
NAME/bootstrap for each function, target/lambda by default.
"""

import pathlib

import aws_cdk as cdk
from aws_cdk import aws_s3_assets as assets
from aws_cdk import aws_sam as sam
from aws_cdk import cloudformation_include as include
from constructs import Construct

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Kairos(cdk.Stack):
    """The stack of template.yaml with the built functions."""

    def __init__(self, scope: Construct, name: str, binaries: pathlib.Path) -> None:
        super().__init__(scope, name)
        self.template = include.CfnInclude(self, "Template", template_file=str(ROOT / "template.yaml"))
        for function in self.node.find_all():
            if isinstance(function, sam.CfnFunction):
                self.set_code(function, binaries)

    def set_code(self, function: sam.CfnFunction, binaries: pathlib.Path) -> None:
        # The folder of a function is called like its binary.
        binary = pathlib.PurePath(function.code_uri).name
        folder = binaries / binary
        if not (folder / "bootstrap").is_file():
            raise SystemExit(f"{folder} has no bootstrap: run `cargo lambda build --release --arm64` first.")
        code = assets.Asset(self, f"{function.node.id}Code", path=str(folder))
        function.code_uri = sam.CfnFunction.S3LocationProperty(bucket=code.s3_bucket_name, key=code.s3_object_key)


def main() -> None:
    app = cdk.App()
    binaries = app.node.try_get_context("binaries") or ROOT / "target" / "lambda"
    Kairos(app, app.node.try_get_context("stack") or "kairos", pathlib.Path(binaries).resolve())
    app.synth()


if __name__ == "__main__":
    main()
