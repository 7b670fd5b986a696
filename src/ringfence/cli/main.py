"""Entry point of `ringfence`: the group of all subcommands."""

import click

from ringfence import __version__
from ringfence.cli.capture import capture
from ringfence.cli.doctor import doctor
from ringfence.cli.down import down
from ringfence.cli.env import env
from ringfence.cli.exec import exec_
from ringfence.cli.explain import explain
from ringfence.cli.image import image
from ringfence.cli.logs import logs
from ringfence.cli.notebook import notebook
from ringfence.cli.shell import shell
from ringfence.cli.status import status
from ringfence.cli.studio import studio
from ringfence.cli.up import up


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="ringfence")
def main() -> None:
    """SageMaker in private VPCs, enforced by this machine's kernel."""


for command in (up, env, status, exec_, shell, explain, studio, notebook, capture, logs, image, doctor, down):
    main.add_command(command)

if __name__ == "__main__":
    main()
