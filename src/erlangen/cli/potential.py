"""``erlangen potential``: an interatomic potential trained on one's own trajectory, and run."""

from __future__ import annotations

from pathlib import Path

from erlangen.cli.options import BadInputError, Parser, require_device

EXAMPLES = """\
examples:
  erlangen potential train my.xyz --out mine            # energies (eV) and forces (eV/Angstrom) in extended xyz
  erlangen potential md mine my.xyz --temperature 300 --steps 2000 --out moving.xyz

Both need the extras [recipes,molecules]. In Python: erlangen.o3.GauntPotential, and its calculator() for ASE.
"""
HELP = f"""\
usage: erlangen potential train FILE --out DIR [options]
       erlangen potential md DIR START [options]

A potential of Gaunt products for your own molecules or crystals. `--help` after either word lists its options.

{EXAMPLES}"""


def potential_command(given: list[str]) -> int:
    """Trains or runs."""
    commands = {"train": _train, "md": _md}
    if not given or given[0] in ("-h", "--help"):
        print(HELP, end="")
        return 0 if given else 2
    if given[0] not in commands:
        raise BadInputError(f"erlangen potential {given[0]}: one of {', '.join(commands)}")
    from erlangen.train import CheckpointError

    try:
        return commands[given[0]](given[1:])
    except CheckpointError as error:
        said = str(error).replace("resume=True goes on, overwrite=True begins anew", "--resume goes on")
        raise BadInputError(said) from error
    except (ValueError, OSError) as error:
        raise BadInputError(str(error)) from error


def _train(given: list[str]) -> int:
    parser = Parser("erlangen potential train", "Trains a potential on an extended xyz file.", EXAMPLES)
    parser.add_argument("file", type=Path, help="frames with energies (eV) and forces (eV/Angstrom)")
    parser.add_argument("--out", type=Path, required=True, help="folder for settings, weights and history")
    parser.add_argument("--cutoff", type=float, default=5.0, help="radius of the neighbourhood, Angstrom (default: 5)")
    parser.add_argument("--channels", type=int, default=16, help="of each irrep (default: 16)")
    parser.add_argument("--lmax", type=int, default=2, help="largest degree (default: 2)")
    parser.add_argument("--num-layers", type=int, default=1, help="rounds of messages (default: 1)")
    parser.add_argument("--epochs", type=int, default=100, help="passes through the frames (default: 100)")
    parser.add_argument("--batch-size", type=int, default=10, help="frames per step (default: 10)")
    parser.add_argument("--validation", type=float, default=0.1, help="share that chooses the epoch (default: 0.1)")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default: 0)")
    parser.add_argument("--energy-key", default="energy", help="the file's name for energies (default: energy)")
    parser.add_argument("--forces-key", default="forces", help="the file's name for forces (default: forces)")
    parser.add_argument("--device", default="cpu", help="where to compute (default: cpu)")
    parser.add_argument("--resume", action="store_true", help="go on with an interrupted training")
    options = vars(parser.read(given))
    require_device(options["device"])
    from erlangen.recipes.gaunt_tensor_product.own import train_potential

    errors = train_potential(**options)
    print(f"validation: {errors['energy']:.1f} meV, {errors['force']:.1f} meV/Å (root mean squares)")
    print(f"potential:  {options['out']}")
    print(f"next:       erlangen potential md {options['out']} {options['file']} --temperature 300 --steps 2000")
    return 0


def _md(given: list[str]) -> int:
    parser = Parser("erlangen potential md", "Langevin dynamics in a trained potential.", EXAMPLES)
    parser.add_argument("folder", type=Path, metavar="DIR", help="of `erlangen potential train`")
    parser.add_argument("start", type=Path, help="a file that ASE reads; its last frame is the beginning")
    parser.add_argument("--out", type=Path, default=Path("moving.xyz"), help="frames (default: moving.xyz)")
    parser.add_argument("--temperature", type=float, default=300.0, help="K (default: 300)")
    parser.add_argument("--steps", type=int, default=1000, help="how many (default: 1000)")
    parser.add_argument("--step", type=float, default=0.5, help="fs (default: 0.5)")
    parser.add_argument("--friction", type=float, default=0.01, help="1/fs; 0 keeps the energy (default: 0.01)")
    parser.add_argument("--every", type=int, default=10, help="steps between frames (default: 10)")
    parser.add_argument("--seed", type=int, default=0, help="of velocities and noise (default: 0)")
    options = vars(parser.read(given))
    for name in ("steps", "every"):
        if options[name] < 1:
            raise BadInputError(f"--{name} is {options[name]}; it takes a whole number from 1")
    for name in ("temperature", "step"):
        if not 0 < options[name] < float("inf"):
            raise BadInputError(f"--{name} is {options[name]}; it takes a positive number")
    if not 0 <= options["friction"] < float("inf"):
        raise BadInputError(f"--friction is {options['friction']}; it takes a number from 0")
    if not options["start"].is_file():
        raise BadInputError(f"no file {options['start']}")
    from erlangen.recipes.gaunt_tensor_product.own import load_potential, molecular_dynamics
    from erlangen.recipes.progress import progress_bar

    potential = load_potential(options.pop("folder"))
    with progress_bar("dynamics", -(-options["steps"] // options["every"])) as tick:
        found = molecular_dynamics(potential, tick=tick, **options)
    late = found[len(found) // 2 :]
    print(f"temperature: {sum(late) / len(late):.0f} K in the mean of the second half")
    print(f"frames:      {len(found)} in {options['out']}")
    return 0
